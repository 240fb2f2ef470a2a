// A linear classifier of 28x28 images whose tensors lie in memory in other ways than fresh ones do.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("test_strided", "1.0", "A model of strided tensors")

namespace {

using ailab::Tensor;

class Strided : public ailab::Model {
  public:
    Strided() {
        turned_ = register_parameter("turned", torch::randn({10, 784}).mul(0.03).t());
        part_ = register_parameter("part", torch::zeros({4, 10}).select(0, 2).detach());
        every_other_ = register_buffer("every_other", torch::arange(20.0).slice(0, 0, 20, 2));
        behind_ = register_buffer("behind", torch::arange(30.0).narrow(0, 15, 10));
        TORCH_CHECK(!turned_.is_contiguous() && part_.storage_offset() > 0 &&
                    !every_other_.is_contiguous() && behind_.storage_offset() > 0);
    }
    Tensor forward(const Tensor& images) override {
        return images.flatten(1).matmul(turned_) + part_ + every_other_ * 0.01 + behind_ * 0.001;
    }

  private:
    Tensor turned_, part_, every_other_, behind_;
};
AILAB_REGISTER_MODEL(Strided, "A transposed parameter, parts of larger memory, every other number")

}  // namespace
