// Models that cost nothing, for benchmarks of what is around a model.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("bench_models", "1.0", "Models for the benchmarks")

namespace {

/// A linear layer on the first pixel.
class OnePixel final : public ailab::Model {
  public:
    struct Options {
        int64_t num_classes = 10;
        int64_t channels = 3;
        void visit(ailab::OptionVisitor& v) {
            v.option("num_classes", num_classes, "outputs", ailab::at_least(1));
            v.option("channels", channels, "of the image", ailab::at_least(1));
        }
    };
    explicit OnePixel(const Options& options) {
        fc_ = register_module("fc", torch::nn::Linear(options.channels, options.num_classes));
    }
    ailab::Tensor forward(const ailab::Tensor& input) override {
        return fc_(input.select(3, 0).select(2, 0));
    }

  private:
    torch::nn::Linear fc_{nullptr};
};

}  // namespace

AILAB_REGISTER_MODEL(OnePixel, "A linear layer on the first pixel of an image")
