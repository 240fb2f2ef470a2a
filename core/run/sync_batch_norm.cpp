#include "sync_batch_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/ops/batch_norm_native.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace ailab {

namespace {

using at::Tensor;

Comm* active_comm = nullptr;  // nullptr: the usual batch norm

/// All dimensions but that of the channels.
std::vector<int64_t> sample_dims(const Tensor& input) {
    std::vector<int64_t> dims;
    for (int64_t d = 0; d < input.dim(); ++d)
        if (d != 1) dims.push_back(d);
    return dims;
}

Tensor by_channel(const Tensor& values, const Tensor& like) {
    std::vector<int64_t> shape(size_t(like.dim()), 1);
    shape[1] = -1;
    return values.view(shape);
}

class Normalise final : public torch::autograd::Function<Normalise> {
  public:
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input,
                          const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                          const std::optional<Tensor>& running_mean,
                          const std::optional<Tensor>& running_var, double momentum, double eps) {
        const std::vector<int64_t> dims = sample_dims(input);
        const int64_t channels = input.size(1);
        const Tensor x = input.to(at::kDouble);
        Tensor sums = at::cat({x.sum(dims), x.square().sum(dims),
                               at::full({1}, double(input.numel() / channels), x.options())});
        active_comm->all_reduce_sum(sums);
        const Tensor count = sums[2 * channels];
        const Tensor mean = sums.narrow(0, 0, channels) / count;
        const Tensor variance =
            (sums.narrow(0, channels, channels) / count - mean.square()).clamp_min(0);
        if (running_mean && running_mean->defined()) {
            running_mean->mul_(1 - momentum).add_(mean.to(running_mean->scalar_type()), momentum);
            const Tensor unbiased = variance * (count / (count - 1).clamp_min(1));
            running_var->mul_(1 - momentum).add_(unbiased.to(running_var->scalar_type()), momentum);
        }
        const auto type = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
        const Tensor inverse = (variance + eps).rsqrt().to(type);
        const Tensor normed =
            (input.to(type) - by_channel(mean.to(type), input)) * by_channel(inverse, input);
        Tensor output = normed;
        const bool scaled = weight && weight->defined();
        if (scaled) output = output * by_channel(weight->to(type), input);
        if (bias && bias->defined()) output = output + by_channel(bias->to(type), input);
        context->save_for_backward({normed, inverse, scaled ? *weight : Tensor(),
                                    bias ? *bias : Tensor(), count.to(type)});
        return output.to(input.scalar_type(), /*non_blocking=*/false, /*copy=*/false,
                         input.suggest_memory_format());
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const Tensor &normed = saved[0], &inverse = saved[1], &weight = saved[2], &bias = saved[3],
                     &count = saved[4];
        const Tensor gradient = gradients[0].to(normed.scalar_type());
        const std::vector<int64_t> dims = sample_dims(normed);
        const Tensor sum = gradient.sum(dims, false, at::kDouble);
        const Tensor product = (gradient * normed).sum(dims, false, at::kDouble);
        Tensor sums = at::cat({sum, product});
        active_comm->all_reduce_sum(sums);
        const Tensor means = (sums / count.to(at::kDouble)).to(normed.scalar_type());
        const int64_t channels = normed.size(1);
        Tensor to_input = (gradient - by_channel(means.narrow(0, 0, channels), normed) -
                           normed * by_channel(means.narrow(0, channels, channels), normed)) *
                          by_channel(inverse, normed);
        if (weight.defined())
            to_input = to_input * by_channel(weight.to(normed.scalar_type()), normed);
        return {to_input.to(gradients[0].scalar_type()),
                weight.defined() ? product.to(weight.scalar_type()) : Tensor(),
                bias.defined() ? sum.to(bias.scalar_type()) : Tensor(),
                Tensor(),
                Tensor(),
                Tensor(),
                Tensor()};
    }
};

Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var, bool training, double momentum,
                  double eps, bool cudnn_enabled) {
    if (!active_comm || !training)
        return at::native::batch_norm(input, weight, bias, running_mean, running_var, training,
                                      momentum, eps, cudnn_enabled);
    return Normalise::apply(input, weight, bias, running_mean, running_var, momentum, eps);
}

}  // namespace

struct SyncBatchNorm::Kernel {
    Kernel(Comm& all, c10::DeviceType device)
        : comm(all),
          library(
              torch::Library::IMPL, "aten",
              device == c10::kCUDA ? c10::DispatchKey::AutogradCUDA : c10::DispatchKey::AutogradCPU,
              __FILE__, __LINE__) {
        library.impl("batch_norm", &batch_norm);
    }
    Comm& comm;
    torch::Library library;
};

SyncBatchNorm::SyncBatchNorm(Comm& comm, c10::DeviceType device)
    : kernel_(std::make_unique<Kernel>(comm, device)) {}

SyncBatchNorm::~SyncBatchNorm() {
    active_comm = nullptr;
}

void SyncBatchNorm::set_active(bool active) {
    active_comm = active ? &kernel_->comm : nullptr;
}

}  // namespace ailab
