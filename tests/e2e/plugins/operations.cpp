// A classifier of 28x28 images whose forward pass goes through many operations, a group at a time:
// what an exporter has to know.
#include <ailab/ailab.hpp>

namespace {

using ailab::Tensor;
namespace nn = torch::nn;

class Operations : public ailab::Model {
  public:
    struct Options {
        std::string group = "activations";
        void visit(ailab::OptionVisitor& v) {
            v.option("group", group, "which operations",
                     ailab::one_of({"activations", "arithmetic", "shapes", "sums", "layers",
                                    "batch", "unknown", "fixed_batch"}));
        }
    };
    explicit Operations(const Options& options) : group_(options.group) {
        conv_ = register_module("conv", nn::Conv2d(nn::Conv2dOptions(1, 4, 5).stride(2)));
        norm_ = register_module("norm", nn::BatchNorm2d(nn::BatchNorm2dOptions(4).affine(false)));
        up_ = register_module(
            "up", nn::ConvTranspose2d(
                      nn::ConvTranspose2dOptions(4, 3, 3).stride(2).padding(1).output_padding(1)));
        line_ =
            register_module("line", nn::Conv1d(nn::Conv1dOptions(4, 4, 3).padding(1).dilation(1)));
        table_ = register_parameter("table", torch::randn({12, 12}));
        fc_ = register_module("fc", nn::Linear(48, 10));
    }

    Tensor forward(const Tensor& images) override {
        const Tensor x = conv_(images);  // [N, 4, 12, 12]
        Tensor y;
        if (group_ == "activations") y = activations(x);
        if (group_ == "arithmetic") y = arithmetic(x);
        if (group_ == "shapes") y = shapes(x);
        if (group_ == "sums") y = sums(x);
        if (group_ == "layers") y = layers(x);
        if (group_ == "unknown") y = torch::cumsum(x, 2);
        if (group_ == "batch") y = batch(x);
        if (group_ == "fixed_batch") y = x * (x.size(0) * x.size(0) + 1);
        return fc_(y.mean({3}).flatten(1));  // [N, 4, 12] -> 48
    }

  private:
    static Tensor activations(const Tensor& x) {
        Tensor y =
            torch::leaky_relu(x, 0.2) + torch::elu(x) + torch::gelu(x) + torch::gelu(x, "tanh");
        y = y + torch::hardtanh(x, -0.5, 0.7) + torch::tanh(x) + torch::sigmoid(x) +
            torch::relu6(x);
        y = y + torch::hardswish(x) + torch::hardsigmoid(x) + torch::silu(x) +
            torch::relu(x.clone());
        return y + x.clamp(-0.3, 0.4) + x.clamp_min(0) + torch::dropout(x, 0.5, /*train=*/false);
    }
    Tensor arithmetic(const Tensor& x) const {
        Tensor y =
            torch::add(x, x, 0.5) - torch::sub(x, x, 2) * 3 + 1.5 - x / 2 + 1 / (x.abs() + 1);
        y = y + x.pow(2) + x.neg() + x.exp().log() + (x.abs() + 0.1).sqrt() + (x.abs() + 1).rsqrt();
        y = torch::addcmul(y, x, x, 0.25) + x.erf() + (2 - x);
        return y.add_(x).mul_(0.5);
    }
    static Tensor shapes(const Tensor& x) {
        Tensor y = x.view({-1, 4, 144}).permute({0, 2, 1}).transpose(1, 2).reshape({-1, 4, 12, 12});
        y = y.unsqueeze(2).squeeze(2);
        const Tensor first = y.select(1, 0), rest = y.narrow(1, 1, 3), even = y.slice(3, 0, 12, 2);
        y = torch::cat({first.unsqueeze(1), rest}, 1) + torch::cat({even, even}, -1);
        y = torch::stack({y.select(1, -1), y.select(1, 2), y.select(1, 1), y.select(1, 0)}, 1);
        y = torch::constant_pad_nd(y.narrow(2, 0, 11), {0, 0, 1, 0}, 0.5);
        return y + y.mean({2}, true).expand({-1, -1, 12, -1}) + y.to(at::kFloat).contiguous();
    }
    static Tensor sums(const Tensor& x) {
        Tensor y = x.softmax(3) + x.log_softmax(1) + x.mean({1}, true) + x.sum({2, 3}, true);
        return y + x.mean({-1}).unsqueeze(-1) + x.sum({1}).unsqueeze(1);
    }
    /// What asks for the batch's size, as many models do.
    Tensor batch(const Tensor& x) const {
        const int64_t n = x.size(0);
        const Tensor y = x.reshape({n, -1}).view({n * 4, 144}).reshape({n, 4, 12, 12});
        return y + table_.unsqueeze(0).unsqueeze(0).expand({n, 4, -1, -1});
    }
    Tensor layers(const Tensor& x) {
        Tensor y = norm_(x) + torch::layer_norm(x, {12, 12});
        const Tensor lines = line_(y.flatten(2)).view({-1, 4, 12, 12});
        y = y + lines + torch::matmul(x, table_) + torch::matmul(table_.t(), x);
        y = y + torch::bmm(x.flatten(0, 1), lines.flatten(0, 1)).view({-1, 4, 12, 12}) * 0.01;
        const Tensor pooled =
            torch::avg_pool2d(y, {3, 3}, {1, 1}, {1, 1}) +
            torch::max_pool2d(y, {3, 3}, {1, 1}, {1, 1}) +
            torch::max_pool1d(y.flatten(1, 2), {3}, {1}, {1}).view({-1, 4, 12, 12});
        const Tensor quarters = torch::adaptive_avg_pool2d(y, {2, 2}).mean({2, 3}, true);
        const Tensor larger = up_(y).mean({1}, true);  // [N, 1, 24, 24]
        return pooled + quarters + torch::avg_pool2d(larger, {2, 2});
    }

    const std::string group_;
    nn::Conv2d conv_{nullptr};
    nn::BatchNorm2d norm_{nullptr};
    nn::ConvTranspose2d up_{nullptr};
    nn::Conv1d line_{nullptr};
    Tensor table_;
    nn::Linear fc_{nullptr};
};

}  // namespace

AILAB_PLUGIN("test_operations", "1.0", "Operations that exporters must know")
AILAB_REGISTER_MODEL(Operations, "A classifier that goes through many operations")
