#include "step_number.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>
#include <utility>

namespace ailab {

StepNumber::StepNumber(const at::Tensor& scalar) {
    if (scalar.is_cpu())
        host_ = scalar.item<double>();
    else
        device_ = scalar.detach().to(at::kDouble);
}

double StepNumber::value() const {
    return on_device() ? device_.item<double>() : host_;
}

StepNumber StepNumber::operator+(const StepNumber& other) const {
    if (on_device())
        return StepNumber(other.on_device() ? device_ + other.device_ : device_ + other.host_);
    return other.on_device() ? other + *this : StepNumber(host_ + other.host_);
}

StepNumber StepNumber::operator*(const StepNumber& other) const {
    if (on_device())
        return StepNumber(other.on_device() ? device_ * other.device_ : device_ * other.host_);
    return other.on_device() ? other * *this : StepNumber(host_ * other.host_);
}

StepNumber StepNumber::over(const StepNumber& divisor) const {
    if (!divisor.on_device()) {
        if (divisor.host_ == 0) return 0;
        return on_device() ? StepNumber(device_ / divisor.host_)
                           : StepNumber(host_ / divisor.host_);
    }
    const at::Tensor& by = divisor.device_;
    const at::Tensor quotient = on_device() ? device_ / by : host_ / by;
    return StepNumber(quotient.masked_fill(by.eq(0), 0));
}

double power_of_two_near(double value) {
    return std::exp2(std::round(std::log2(value)));
}

void LateCopy::begin(const at::Tensor& tensor) {
    copied_.reset();
    copy_ = tensor;
    if (tensor.is_cpu()) return;
    copy_ = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true));
    copy_.copy_(tensor, /*non_blocking=*/true);
    const c10::DeviceType type = tensor.device().type();
    copied_ = std::make_shared<c10::Event>(type);
    copied_->record(c10::impl::VirtualGuardImpl(type).getStream(tensor.device()));
}

const at::Tensor& LateCopy::read() {
    if (copied_) std::exchange(copied_, nullptr)->synchronize();
    return copy_;
}

void LateNumbers::begin(const std::vector<StepNumber>& numbers) {
    values_.clear();
    places_.clear();
    std::vector<at::Tensor> on_device;
    for (const StepNumber& number : numbers) {
        if (number.on_device()) {
            places_.push_back(values_.size());
            on_device.push_back(number.tensor());
        }
        values_.push_back(number.on_device() ? 0 : number.value());
    }
    if (!on_device.empty()) copy_.begin(at::stack(on_device));
}

const std::vector<double>& LateNumbers::read() {
    if (places_.empty()) return values_;
    const at::Tensor& copied = copy_.read();
    for (size_t i = 0; i < places_.size(); ++i)
        values_[places_[i]] = copied[int64_t(i)].item<double>();
    places_.clear();
    return values_;
}

}  // namespace ailab
