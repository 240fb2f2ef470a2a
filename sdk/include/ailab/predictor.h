/* A trained model for C, and for what calls C: the same as predictor.hpp in five functions.
 *
 *     ailab_predictor* model = ailab_open("model.ailab");
 *     if (!model) { fprintf(stderr, "%s\n", ailab_last_error()); return 1; }
 *     const char* line = ailab_predict_file(model, "cat.jpg");
 *     ailab_close(model);
 *
 * Link libailab_core.so. All functions but ailab_open() and ailab_close() may be called by several
 * threads at once for the same model. */
#ifndef AILAB_PREDICTOR_H
#define AILAB_PREDICTOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AILAB_C_API __attribute__((visibility("default")))

typedef struct ailab_predictor ailab_predictor;

/* Opens an artifact of `ailab-run export --to artifact`. NULL on failure. */
AILAB_C_API ailab_predictor* ailab_open(const char* artifact);

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

/* NULL is in order. */
AILAB_C_API void ailab_close(ailab_predictor* model);

#ifdef __cplusplus
}
#endif

#endif
