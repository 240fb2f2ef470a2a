// predict MODEL.ailab IMAGE…: what a trained model says of images.
#include <ailab/predictor.hpp>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: predict MODEL.ailab IMAGE...\n");
        return 2;
    }
    try {
        const ailab::Predictor predictor(argv[1]);
        int next = 2;
        // All files at once: they are read and run on all cores, and come back in their order.
        predictor.predict(
            [&]() -> std::optional<std::string> {
                if (next == argc) return std::nullopt;
                return argv[next++];
            },
            [](const ailab::Prediction& result) {
                if (!result.error.empty())
                    std::printf("%s: %s\n", result.file.c_str(), result.error.c_str());
                for (const ailab::ClassScore& score : result.top)
                    std::printf("%s: %lld %s %.4f\n", result.file.c_str(),
                                static_cast<long long>(score.index), score.name.c_str(),
                                score.probability);
            });
    } catch (const std::exception& error) {
        std::fprintf(stderr, "predict: %s\n", error.what());
        return 1;
    }
}
