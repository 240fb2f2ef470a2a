// A model that decides by the values of what it is fed.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("decides", "1.0", "A model whose way depends on values")

namespace {

using ailab::Tensor;

class Decides : public ailab::Model {
  public:
    struct Options {
        void visit(ailab::OptionVisitor&) {}
    };
    explicit Decides(const Options&) : layer_(register_module("layer", torch::nn::Linear(3, 3))) {}
    /// input: [N, 3] -> [N, 3]. Bytes as numbers of 0 to 255 are scaled.
    Tensor forward(const Tensor& input) override {
        const bool bytes = input.abs().max().item<double>() > 50;
        return layer_->forward(bytes ? input / 255 : input);
    }

  private:
    torch::nn::Linear layer_;
};
AILAB_REGISTER_MODEL(Decides, "Scales large inputs")

}  // namespace
