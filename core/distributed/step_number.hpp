#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <vector>

namespace ailab {

/// A number of a training step: on the host, or a float64 scalar on a device, where it is left so
/// that nothing waits for it. Arithmetic of two numbers of the host stays there.
class StepNumber {
  public:
    StepNumber(double value = 0) : host_(value) {}
    /// A scalar of any dtype. One that lies on the CPU is read.
    explicit StepNumber(const at::Tensor& scalar);

    bool on_device() const { return device_.defined(); }
    /// Waits for a device.
    double value() const;
    /// Defined where on_device().
    const at::Tensor& tensor() const { return device_; }

    /// Known to be this number, without waiting for a device.
    bool is(double value) const { return !on_device() && host_ == value; }

    StepNumber operator+(const StepNumber& other) const;
    StepNumber operator*(const StepNumber& other) const;
    /// This over `divisor`, and 0 where that is 0.
    StepNumber over(const StepNumber& divisor) const;

  private:
    double host_ = 0;
    at::Tensor device_;
};

/// Near `value`, above 0: a factor that leaves no trace in the bits of what is multiplied by it and
/// divided by it again.
double power_of_two_near(double value);

/// A copy of a device's tensor on the host, which is begun in time and waited for later, without
/// waiting for what the device was given since. Main thread.
class LateCopy {
  public:
    /// One on the CPU is taken as it is. Drops what was begun before.
    void begin(const at::Tensor& tensor);
    /// Waits for the copy.
    const at::Tensor& read();

  private:
    at::Tensor copy_;
    std::shared_ptr<c10::Event> copied_;
};

/// Begins to copy those of `numbers` that a device has, and reads all of them later.
class LateNumbers {
  public:
    void begin(const std::vector<StepNumber>& numbers);
    const std::vector<double>& read();

  private:
    std::vector<double> values_;
    std::vector<size_t> places_;  // of values that are being copied
    LateCopy copy_;
};

}  // namespace ailab
