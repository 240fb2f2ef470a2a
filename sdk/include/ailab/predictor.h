/* A trained model for C, and for what calls C: the same as predictor.hpp in seven functions.
 *
 *     ailab_predictor* model = ailab_open("model.ailab");
 *     if (!model) { fprintf(stderr, "%s\n", ailab_last_error()); return 1; }
 *     const char* line = ailab_predict_file(model, "cat.jpg");
 *     ailab_close(model);
 *
 * Link libailab_core.so. All functions but ailab_open…() and ailab_close() may be called by
 * several threads at once for the same model. */
#ifndef AILAB_PREDICTOR_H
#define AILAB_PREDICTOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AILAB_C_API __attribute__((visibility("default")))

typedef struct ailab_predictor ailab_predictor;

/* Opens an artifact of `ailab-run export --to artifact`. One that brings plugins of its own (in it
 * or beside it), which are code, is refused: ailab_last_error() says which. Those that are found in
 * AILAB_PLUGIN_PATH are the user's. NULL on failure. */
AILAB_C_API ailab_predictor* ailab_open(const char* artifact);

/* The same, and the artifact's plugins run: for one whose maker you trust as your own code. */
AILAB_C_API ailab_predictor* ailab_open_trusted(const char* artifact);

/* The same for an artifact that `ailab-run sign` has signed by the key whose public half the file
 * `public_key` holds (Ed25519, PEM). Without that signature nothing of it is used. */
AILAB_C_API ailab_predictor* ailab_open_signed(const char* artifact, const char* public_key);

/* `input` holds `samples` samples as the model takes them (transformed), one after another:
 * `sample_size` float32 numbers each, which must be as many as a sample has. The model's outputs of
 * them are written to `output`, which has room for `room` numbers. Returns how many were written
 * (all samples have equally many), or -1. */
AILAB_C_API int64_t ailab_predict(ailab_predictor* model, const float* input, int64_t samples,
                                  int64_t sample_size, float* output, int64_t room);

/* One image file: a line of JSON as `ailab-run infer` prints it, with "error" in place of a
 * prediction for a file that cannot be used. It is valid until this thread calls again. NULL on
 * failure. */
AILAB_C_API const char* ailab_predict_file(ailab_predictor* model, const char* file);

/* What the last failure on this thread was; "" without any. */
AILAB_C_API const char* ailab_last_error(void);

/* NULL is allowed. */
AILAB_C_API void ailab_close(ailab_predictor* model);

#ifdef __cplusplus
}
#endif

#endif
