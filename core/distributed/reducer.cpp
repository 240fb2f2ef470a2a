#include "reducer.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/shared_buckets.hpp"
#include "ailab/support/number_text.hpp"
#include "bucket.hpp"
#include "modules/collective.hpp"

namespace ailab {
namespace {

using dist::Bucket;
using dist::Slot;
using dist::Tail;

constexpr size_t most_numbers = 8;
constexpr int64_t first_bucket_bytes = 1 << 20;
/// Above this a copy is worth ATen's threads.
constexpr int64_t small_copy_bytes = 256 << 10;

class BucketReducer;

/// Called by autograd when a parameter's gradient of one backward is complete.
class GradientHook final : public torch::autograd::PostAccumulateGradHook {
  public:
    GradientHook(BucketReducer& reducer, size_t slot) : reducer_(reducer), slot_(slot) {}
    void operator()(const torch::autograd::Variable& parameter) override;

  private:
    BucketReducer& reducer_;
    const size_t slot_;
};

class BucketReducer final : public Reducer {
  public:
    BucketReducer(std::vector<NamedParameter> parameters, c10::intrusive_ptr<c10d::Backend> backend,
                  double bucket_mb);
    ~BucketReducer() override;

    void begin() override;
    void arm() override;
    void reduce(std::vector<StepNumber>& numbers) override;
    const std::vector<double>& read() override;
    void scale(double factor) override;
    bool complete() const override { return complete_; }
    const std::vector<std::string>& unused() const override { return unused_; }
    bool in_place() const override { return in_place_; }
    std::string describe() const override;

    void gradient_complete(size_t index, const at::Tensor& parameter);

  private:
    enum class State { idle, accumulating, armed };

    void take_in(Slot& slot, at::Tensor& gradient);
    void fill_gaps();
    void launch_ready(size_t end);
    void launch(Bucket& bucket);
    void wait(Bucket& bucket);
    void write_tail(const std::vector<StepNumber>& numbers);
    template <class T>
    void write_tail_as(const std::vector<StepNumber>& numbers);
    template <class T>
    void read_tail_as();

    const c10::intrusive_ptr<c10d::Backend> backend_;
    const bool in_place_;
    std::vector<Slot> slots_;
    std::vector<Bucket> buckets_;
    Tail tail_;
    at::Tensor tail_view_;
    at::Tensor tail_out_;  // on the host: the view itself, or what is copied to it on a device
    LateCopy tail_in_;     // and what comes back
    bool unread_ = false;
    bool complete_ = false;
    std::vector<double> sums_;
    std::mutex mutex_;  // parameters of several devices complete on several threads
    State state_ = State::idle;
    size_t next_ = 0;  // the bucket to launch next
    std::vector<std::string> unused_;
};

void GradientHook::operator()(const torch::autograd::Variable& parameter) {
    reducer_.gradient_complete(slot_, parameter);
}

BucketReducer::BucketReducer(std::vector<NamedParameter> parameters,
                             c10::intrusive_ptr<c10d::Backend> backend, double bucket_mb)
    : backend_(std::move(backend)),
      in_place_(dynamic_cast<SharedBuckets*>(backend_.get()) != nullptr) {
    for (NamedParameter& parameter : parameters)
        if (parameter.tensor.requires_grad())
            slots_.push_back({.name = std::move(parameter.name), .parameter = parameter.tensor});
    // A backend that reduces in place does it on the calling thread: nothing would overlap.
    const auto limit =
        in_place_ ? std::numeric_limits<int64_t>::max() : int64_t(bucket_mb * (1 << 20));
    const int64_t first_limit = in_place_ ? limit : std::min(first_bucket_bytes, limit);
    buckets_ = dist::plan_buckets(slots_, first_limit, limit);
    tail_ = dist::plan_tail(buckets_, int64_t(most_numbers + slots_.size()));
    dist::allocate(buckets_, slots_, *backend_);
    const Bucket& last = buckets_[tail_.bucket];
    tail_view_ = last.memory.narrow(0, tail_.offset, tail_.size);
    tail_out_ = last.device.is_cpu() ? tail_view_ : tail_view_.to(at::kCPU).pin_memory();
    for (size_t i = 0; i < slots_.size(); ++i)
        torch::autograd::impl::set_post_acc_grad_hooks(slots_[i].parameter,
                                                       std::make_unique<GradientHook>(*this, i));
}

BucketReducer::~BucketReducer() {
    for (const Slot& slot : slots_) {
        torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter, nullptr);
        slot.parameter.mutable_grad().reset();  // it lies in memory that goes with this object
    }
}

void BucketReducer::begin() {
    for (Slot& slot : slots_) {
        slot.parameter.mutable_grad().reset();
        slot.has_gradient = slot.ready = false;
    }
    for (Bucket& bucket : buckets_) {
        bucket.missing = bucket.slots.size();
        bucket.launched = false;
    }
    // The tail is known at finish() only.
    ++buckets_[tail_.bucket].missing;
    next_ = 0;
    state_ = State::accumulating;
}

void BucketReducer::arm() {
    state_ = State::armed;
}

void BucketReducer::gradient_complete(size_t index, const at::Tensor& parameter) {
    const std::lock_guard lock(mutex_);
    // Another optimizer's backward passed through: not this reducer's step.
    if (state_ == State::idle) return;
    Slot& slot = slots_[index];
    if (slot.ready)
        throw Error(concat("parameter \"", slot.name, "\" got a gradient from a second backward ",
                           "after the step's last one; accumulate first, and reduce once a step"));
    take_in(slot, parameter.mutable_grad());
    if (state_ != State::armed) return;
    slot.ready = true;
    --buckets_[slot.bucket].missing;
    launch_ready(buckets_.size());
}

/// Leaves the gradient in the bucket. The first one of a step was made by autograd elsewhere; later
/// ones were added to the view in place.
void BucketReducer::take_in(Slot& slot, at::Tensor& gradient) {
    if (slot.has_gradient && gradient.is_same(slot.view)) return;
    slot.has_gradient = true;
    if (!gradient.defined()) {
        slot.view.zero_();
    } else if (gradient.layout() == at::kStrided && slot.bytes <= small_copy_bytes && slot.dense &&
               gradient.is_cpu() && gradient.scalar_type() == slot.view.scalar_type() &&
               gradient.strides() == slot.view.strides() && !gradient.is_conj() &&
               !gradient.is_neg() && !gradient._is_zerotensor()) {
        // ATen's copy_ would cost a microsecond, whatever the size.
        std::memcpy(slot.view.mutable_data_ptr(), gradient.const_data_ptr(), size_t(slot.bytes));
    } else {
        const at::NoGradGuard no_grad;
        slot.view.copy_(gradient.layout() == at::kStrided ? gradient : gradient.to_dense());
    }
    gradient = slot.view;
}

/// Gradients that were put there without a backward are taken in; what has none counts as zero.
void BucketReducer::fill_gaps() {
    const at::NoGradGuard no_grad;
    for (Slot& slot : slots_) {
        if (slot.has_gradient) continue;
        at::Tensor& gradient = slot.parameter.mutable_grad();
        gradient.defined() ? take_in(slot, gradient) : void(slot.view.zero_());
    }
}

void BucketReducer::launch_ready(size_t end) {
    for (; next_ < end && buckets_[next_].missing == 0; ++next_) launch(buckets_[next_]);
}

void BucketReducer::launch(Bucket& bucket) {
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::SUM;
    const dist::InCollective here("the all_reduce of gradients");
    try {
        bucket.work = backend_->allreduce(bucket.reduced, options);
    } catch (const c10::Error& error) {
        throw dist::CollectiveError(concat("all_reduce of gradients over ",
                                           backend_->getBackendName(),
                                           " failed: ", error.what_without_backtrace()));
    } catch (const std::exception& error) {
        throw dist::CollectiveError(concat("all_reduce of gradients over ",
                                           backend_->getBackendName(), " failed: ", error.what()));
    }
    bucket.launched = true;
}

void BucketReducer::wait(Bucket& bucket) {
    dist::run_collective(
        "the all_reduce of gradients", [&] { return std::exchange(bucket.work, {}); },
        std::chrono::milliseconds(0),
        [&] { return concat("all_reduce of gradients over ", backend_->getBackendName()); });
}

void BucketReducer::reduce(std::vector<StepNumber>& numbers) {
    if (numbers.size() > most_numbers)
        throw Error(
            concat("the reducer takes at most ", most_numbers, " numbers, got ", numbers.size()));
    if (state_ == State::idle) throw Error("Reducer::reduce() without begin()");
    state_ = State::idle;
    if (unread_) read();  // before what it reads from is written again
    fill_gaps();
    complete_ = std::all_of(slots_.begin(), slots_.end(),
                            [](const Slot& slot) { return slot.has_gradient; });
    write_tail(numbers);
    for (Bucket& bucket : buckets_) bucket.missing = 0;
    launch_ready(buckets_.size());
    for (Bucket& bucket : buckets_) wait(bucket);
    for (Slot& slot : slots_)
        if (at::Tensor& gradient = slot.parameter.mutable_grad(); !gradient.is_same(slot.view))
            gradient = slot.view;
    tail_in_.begin(tail_view_);
    sums_.resize(numbers.size());
    unread_ = true;
    if (tail_view_.is_cpu()) read();
    for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] =
            tail_view_.is_cpu() ? StepNumber(sums_[i]) : StepNumber(tail_view_[int64_t(i)].clone());
}

void BucketReducer::scale(double factor) {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < buckets_.size(); ++i) {
        const at::Tensor& memory = buckets_[i].memory;
        // Without the tail, which may not be read yet.
        const int64_t end = i == tail_.bucket ? tail_.offset : memory.numel();
        if (end > 0) memory.narrow(0, 0, end).mul_(factor);
    }
}

template <class T>
void BucketReducer::write_tail_as(const std::vector<StepNumber>& numbers) {
    T* out = tail_out_.mutable_data_ptr<T>();
    std::fill_n(out, most_numbers, T(0));
    for (size_t i = 0; i < numbers.size(); ++i)
        if (!numbers[i].on_device()) out[i] = T(numbers[i].value());
    for (size_t i = 0; i < slots_.size(); ++i)
        out[most_numbers + i] = slots_[i].has_gradient ? T(1) : T(0);
}

void BucketReducer::write_tail(const std::vector<StepNumber>& numbers) {
    if (tail_view_.scalar_type() == at::kDouble)
        write_tail_as<double>(numbers);
    else
        write_tail_as<float>(numbers);
    if (!tail_view_.is_cpu()) tail_view_.copy_(tail_out_, /*non_blocking=*/true);
    for (size_t i = 0; i < numbers.size(); ++i)
        if (numbers[i].on_device()) tail_view_[int64_t(i)].copy_(numbers[i].tensor());
}

template <class T>
void BucketReducer::read_tail_as() {
    const T* sums = tail_in_.read().const_data_ptr<T>();
    std::copy_n(sums, sums_.size(), sums_.begin());
    unused_.clear();
    for (size_t i = 0; i < slots_.size(); ++i) {
        if (sums[most_numbers + i] != T(0)) continue;
        unused_.push_back(slots_[i].name);
        // Read late, it may be the next step's already.
        if (state_ == State::idle) slots_[i].parameter.mutable_grad().reset();
    }
}

const std::vector<double>& BucketReducer::read() {
    if (!std::exchange(unread_, false)) return sums_;
    tail_view_.scalar_type() == at::kDouble ? read_tail_as<double>() : read_tail_as<float>();
    return sums_;
}

std::string BucketReducer::describe() const {
    int64_t bytes = 0;
    for (const Bucket& bucket : buckets_) bytes += int64_t(bucket.memory.nbytes());
    return concat(buckets_.size(), buckets_.size() == 1 ? " bucket, " : " buckets, ",
                  fixed_text(double(bytes) / (1 << 20), 2), " MB");
}

}  // namespace

std::vector<double> Reducer::finish(const std::vector<double>& numbers) {
    std::vector<StepNumber> sums(numbers.begin(), numbers.end());
    reduce(sums);
    return read();
}

std::unique_ptr<Reducer> Reducer::create(std::vector<NamedParameter> parameters,
                                         c10::intrusive_ptr<c10d::Backend> backend,
                                         double bucket_mb) {
    return std::make_unique<BucketReducer>(std::move(parameters), std::move(backend), bucket_mb);
}

}  // namespace ailab
