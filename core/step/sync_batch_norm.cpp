#include "sync_batch_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/ops/batch_norm_native.h>
#include <ATen/ops/instance_norm_native.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>
#include <torch/nn/modules/batchnorm.h>

#include <algorithm>

#include "ailab/error.hpp"
#include "recompute.hpp"

namespace ailab {

namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

bool is_there(const OptionalTensor& tensor) {
    return tensor && tensor->defined();
}

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

/// Of all ranks' values, float64.
struct Moments {
    Tensor mean, variance;  // [channels]
    Tensor count;           // values a channel
};

/// From the sum of values, the sum of squares and the count, one after the other.
Moments moments_of(const Tensor& sums) {
    const int64_t channels = (sums.numel() - 1) / 2;
    const Tensor count = sums[2 * channels];
    const Tensor mean = sums.narrow(0, 0, channels) / count;
    return {mean, (sums.narrow(0, channels, channels) / count - mean.square()).clamp_min(0), count};
}

struct Running {
    Tensor mean, variance;
    double momentum = 0;

    void update(const Moments& moments) const {
        const at::NoGradGuard no_grad;
        mean.mul_(1 - momentum).add_(moments.mean.to(mean.scalar_type()), momentum);
        const Tensor unbiased =
            moments.variance * (moments.count / (moments.count - 1).clamp_min(1));
        variance.mul_(1 - momentum).add_(unbiased.to(variance.scalar_type()), momentum);
    }
};

/// A batch norm of a model.
struct Norm {
    torch::nn::Module* module;
    torch::nn::BatchNormOptions* options;
    const Tensor* running_mean;
    const Tensor* batches;  // num_batches_tracked
};

template <class Holder>
void collect(torch::nn::Module& module, std::vector<Norm>& norms) {
    if (auto* norm = module.as<Holder>())
        norms.push_back({norm, &norm->options, &norm->running_mean, &norm->num_batches_tracked});
}

/// What the ranks with samples tell those without before each sum.
struct Notice {
    double numbers = 0;  // that are summed; 0: the pass is over
    // The running statistics that follow from them; buffers are counted from 1.
    double mean_buffer = 0, variance_buffer = 0, momentum = 0;
    double batches_buffer = 0, batches = 0;

    bool operator==(const Notice&) const = default;
};

}  // namespace

struct BatchNormSums {
    BatchNormSums(Comm& all, c10::Device where)
        : comm(all),
          device(where),
          library(torch::Library::IMPL, "aten",
                  where.is_cuda() ? c10::DispatchKey::AutogradCUDA : c10::DispatchKey::AutogradCPU,
                  __FILE__, __LINE__) {}

    // ---- sums

    /// Over the ranks that have samples, in place.
    void sum(Tensor& sums, const Running* running = nullptr) {
        if (uneven) tell(notice_of(sums, running));
        comm.all_reduce_sum(sums);
    }

    void tell(const Notice& notice) const {
        if (largest(notice) != notice)
            throw Error(
                "sync_batch_norm: the ranks come to different batch norms; the model must take the "
                "same path on all of them");
    }

    /// Takes part in the sums of the ranks with samples until the end of their pass.
    void follow() const {
        for (;;) {
            const Notice notice = largest({});
            if (notice.numbers == 0) return;
            Tensor sums = at::zeros({int64_t(notice.numbers)}, at::kDouble, {}, device, {});
            comm.all_reduce_sum(sums);
            if (notice.mean_buffer == 0) continue;
            const Running running{buffer(notice.mean_buffer), buffer(notice.variance_buffer),
                                  notice.momentum};
            running.update(moments_of(sums));
            if (notice.batches_buffer > 0) buffer(notice.batches_buffer).fill_(notice.batches);
        }
    }

    Notice largest(Notice notice) const {
        static_assert(sizeof(Notice) == 6 * sizeof(double));
        Tensor words = at::from_blob(&notice, {6}, at::kDouble);
        comm.all_reduce_max(words);
        return notice;
    }

    Notice notice_of(const Tensor& sums, const Running* running) const {
        Notice notice;
        notice.numbers = double(sums.numel());
        if (!running || number_of(running->mean) == 0 || number_of(running->variance) == 0)
            return notice;
        notice.mean_buffer = number_of(running->mean);
        notice.variance_buffer = number_of(running->variance);
        notice.momentum = running->momentum;
        if (const Norm* norm = norm_of(running->mean); norm && norm->batches->defined()) {
            notice.batches_buffer = number_of(*norm->batches);
            notice.batches = norm->batches->item<double>();
        }
        return notice;
    }

    const Tensor& buffer(double number) const { return buffers.at(size_t(number) - 1); }
    double number_of(const Tensor& buffer) const {
        for (size_t i = 0; i < buffers.size(); ++i)
            if (buffers[i].is_same(buffer)) return double(i + 1);
        return 0;
    }
    const Norm* norm_of(const Tensor& running_mean) const {
        for (const Norm& norm : norms)
            if (norm.running_mean->is_same(running_mean)) return &norm;
        return nullptr;
    }

    // ---- one sample

    // torch::nn::BatchNorm refuses one value a channel in its header, where it cannot know of the
    // other ranks' values, but only when it trains. So it is told that it does not, and what it
    // would have done is done here.

    void relieve() {
        for (const Norm& norm : norms) {
            if (!norm.module->is_training()) continue;
            relieved.push_back({&norm, norm.options->track_running_stats()});
            norm.module->eval();
            norm.options->track_running_stats(true);
        }
    }
    void end_relief() {
        for (const auto& [norm, tracks] : relieved) {
            norm->module->train();
            norm->options->track_running_stats(tracks);
        }
        relieved.clear();
    }
    /// Whether a batch norm that says it does not train is one that was told so.
    bool is_relieved(const OptionalTensor& running_mean) const {
        if (!is_there(running_mean)) return !relieved.empty();
        return std::any_of(relieved.begin(), relieved.end(), [&](const auto& entry) {
            return entry.first->running_mean->is_same(*running_mean);
        });
    }
    /// The part of the running statistics that the present batch becomes.
    double count_batch(const OptionalTensor& running_mean, double momentum) const {
        if (!is_there(running_mean)) return momentum;
        const Norm& norm = *norm_of(*running_mean);
        if (!norm.batches->defined()) return momentum;
        norm.batches->add_(1);
        return norm.options->momentum() ? momentum : 1 / norm.batches->item<double>();
    }

    Comm& comm;
    const c10::Device device;
    torch::Library library;
    std::vector<Norm> norms;
    std::vector<Tensor> buffers;
    std::vector<std::pair<const Norm*, bool>> relieved;  // with its track_running_stats
    int64_t samples = 0;
    bool uneven = false;
};

namespace {

BatchNormSums* active = nullptr;  // nullptr: the usual operations
thread_local bool in_instance_norm = false;

/// The derivative of a sum over ranks is a sum over ranks.
class SumOverRanks final : public torch::autograd::Function<SumOverRanks> {
  public:
    static Tensor forward(torch::autograd::AutogradContext*, const Tensor& mine) {
        Tensor sums = mine.clone();
        active->sum(sums);
        return sums;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                   torch::autograd::variable_list gradients) {
        return {apply(gradients[0].contiguous())};
    }
};

Moments moments_over_ranks(const Tensor& input, const Running* running = nullptr) {
    const std::vector<int64_t> dims = sample_dims(input);
    const int64_t values = input.numel() / std::max<int64_t>(1, input.size(1));
    const Tensor x = input.to(at::kDouble);
    Tensor sums =
        at::cat({x.sum(dims), x.square().sum(dims), at::full({1}, double(values), x.options())});
    if (at::GradMode::is_enabled() && sums.requires_grad())
        sums = SumOverRanks::apply(sums);
    else
        active->sum(sums, running);
    Moments moments = moments_of(sums);
    // The count is looked at, which waits for the device, only where it may be too small.
    TORCH_CHECK(values > 1 || moments.count.item<double>() > 1,
                "Expected more than 1 value per channel when training, got input size ",
                input.sizes(), " and no other value on any rank");
    return moments;
}

class Normalise final : public torch::autograd::Function<Normalise> {
  public:
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input,
                          const OptionalTensor& weight, const OptionalTensor& bias,
                          const OptionalTensor& running_mean, const OptionalTensor& running_var,
                          double momentum, double eps) {
        Running running;
        if (is_there(running_mean)) running = {*running_mean, *running_var, momentum};
        // Of a block that is run again the other ranks have had this batch already.
        const bool tracks = running.mean.defined() && !is_recomputing();
        const Moments moments = moments_over_ranks(input, tracks ? &running : nullptr);
        if (tracks) running.update(moments);
        const auto type = computed_in(input);
        const Tensor mean = moments.mean.to(type);
        const Tensor inverse = inverse_deviation(moments, eps).to(type);
        Tensor output = normed(input.to(type), mean, inverse);
        if (is_there(weight)) output = output * by_channel(weight->to(type), input);
        if (is_there(bias)) output = output + by_channel(bias->to(type), input);
        context->save_for_backward({input, weight.value_or(Tensor()), bias.value_or(Tensor()), mean,
                                    inverse, moments.count});
        context->saved_data["eps"] = eps;
        return output.to(input.scalar_type(), /*non_blocking=*/false, /*copy=*/false,
                         input.suggest_memory_format());
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const Tensor &input = saved[0], &weight = saved[1], &bias = saved[2];
        Tensor mean = saved[3], inverse = saved[4], count = saved[5];
        const auto type = computed_in(input);
        if (at::GradMode::is_enabled()) {
            // This derivative will be derived in its turn, so it must depend on the input.
            const Moments moments = moments_over_ranks(input);
            mean = moments.mean.to(type);
            inverse = inverse_deviation(moments, context->saved_data["eps"].toDouble()).to(type);
        }
        const Tensor x = normed(input.to(type), mean, inverse);
        const Tensor gradient = gradients[0].to(type);
        const std::vector<int64_t> dims = sample_dims(x);
        const Tensor sum = gradient.sum(dims, false, at::kDouble);
        const Tensor product = (gradient * x).sum(dims, false, at::kDouble);
        Tensor sums = at::cat({sum, product});
        if (at::GradMode::is_enabled() && sums.requires_grad())
            sums = SumOverRanks::apply(sums);
        else
            active->sum(sums);
        const Tensor means = (sums / count).to(type);
        const int64_t channels = x.size(1);
        Tensor to_input = (gradient - by_channel(means.narrow(0, 0, channels), x) -
                           x * by_channel(means.narrow(0, channels, channels), x)) *
                          by_channel(inverse, x);
        if (weight.defined()) to_input = to_input * by_channel(weight.to(type), x);
        return {to_input.to(gradients[0].scalar_type()),
                weight.defined() ? product.to(weight.scalar_type()) : Tensor(),
                bias.defined() ? sum.to(bias.scalar_type()) : Tensor(),
                Tensor(),
                Tensor(),
                Tensor(),
                Tensor()};
    }

  private:
    static at::ScalarType computed_in(const Tensor& input) {
        return input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    }
    static Tensor inverse_deviation(const Moments& moments, double eps) {
        return (moments.variance + eps).rsqrt();
    }
    static Tensor normed(const Tensor& input, const Tensor& mean, const Tensor& inverse) {
        return (input - by_channel(mean, input)) * by_channel(inverse, input);
    }
};

Tensor batch_norm(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                  const OptionalTensor& running_mean, const OptionalTensor& running_var,
                  bool training, double momentum, double eps, bool cudnn_enabled) {
    if (active && active->samples > 0 && !in_instance_norm) {
        if (!training && active->is_relieved(running_mean)) {
            training = true;
            momentum = active->count_batch(running_mean, momentum);
        }
        if (training)
            return Normalise::apply(input, weight, bias, running_mean, running_var, momentum, eps);
    }
    return at::native::batch_norm(input, weight, bias, running_mean, running_var, training,
                                  momentum, eps, cudnn_enabled);
}

Tensor instance_norm(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                     const OptionalTensor& running_mean, const OptionalTensor& running_var,
                     bool use_input_stats, double momentum, double eps, bool cudnn_enabled) {
    struct Inside {
        Inside() { in_instance_norm = true; }
        ~Inside() { in_instance_norm = false; }
    } const inside;
    return at::native::instance_norm(input, weight, bias, running_mean, running_var,
                                     use_input_stats, momentum, eps, cudnn_enabled);
}

}  // namespace

SyncBatchNorm::SyncBatchNorm(Comm& comm, c10::Device device,
                             const std::vector<torch::nn::Module*>& modules)
    : sums_(std::make_unique<BatchNormSums>(comm, device)) {
    sums_->library.impl("batch_norm", &batch_norm);
    sums_->library.impl("instance_norm", &instance_norm);
    for (torch::nn::Module* top : modules) {
        for (const auto& module : top->modules()) {
            collect<torch::nn::BatchNorm1d>(*module, sums_->norms);
            collect<torch::nn::BatchNorm2d>(*module, sums_->norms);
            collect<torch::nn::BatchNorm3d>(*module, sums_->norms);
        }
        for (const Tensor& buffer : top->buffers()) sums_->buffers.push_back(buffer);
    }
}

SyncBatchNorm::~SyncBatchNorm() = default;

void SyncBatchNorm::begin(int64_t samples, int ranks_with_samples) {
    sums_->samples = samples;
    sums_->uneven = ranks_with_samples > 0 && ranks_with_samples < sums_->comm.world_size();
}

bool SyncBatchNorm::uneven() const {
    return sums_->uneven;
}

SyncBatchNorm::Section::Section(SyncBatchNorm* norms) : norms_(norms) {
    if (!norms_) return;
    if (norms_->sums_->samples == 1) norms_->sums_->relieve();
    active = norms_->sums_.get();
}

SyncBatchNorm::Section::~Section() {
    if (!norms_) return;
    active = nullptr;
    norms_->sums_->end_relief();
}

void SyncBatchNorm::Section::meet() {
    if (!norms_ || !norms_->uneven()) return;
    const BatchNormSums& sums = *norms_->sums_;
    sums.samples > 0 ? sums.tell({}) : sums.follow();
}

}  // namespace ailab
