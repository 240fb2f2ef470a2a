/* open_artifact plain|trusted|signed KEY|- IMAGE ARTIFACT...: a line for each artifact, the
 * prediction of the image or why there is none. */
#include <ailab/predictor.h>
#include <stdio.h>
#include <string.h>

static ailab_predictor* open_as(const char* way, const char* key, const char* artifact) {
    if (strcmp(way, "trusted") == 0) return ailab_open_trusted(artifact);
    if (strcmp(way, "signed") == 0) return ailab_open_signed(artifact, key);
    return ailab_open(artifact);
}

int main(int argc, char** argv) {
    int i;
    for (i = 4; i < argc; ++i) {
        ailab_predictor* model = open_as(argv[1], argv[2], argv[i]);
        const char* line = model ? ailab_predict_file(model, argv[3]) : NULL;
        printf("%s\n", line ? line : ailab_last_error());
        ailab_close(model);
    }
    return 0;
}
