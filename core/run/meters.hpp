#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ailab/run.hpp"

namespace ailab {

/// Sums of scalars and of their weights, by name. On the CPU they are added at once; on a device
/// they are added there, so nothing waits for it.
class Meters final : public MeterWindow {
  public:
    explicit Meters(Comm& comm) : comm_(comm) {}

    void add(const std::string& name, double mean, double weight);
    void add(const std::string& name, const Tensor& mean, double weight);
    std::vector<std::pair<std::string, double>> reduce() override;

    /// This rank's sums. Waits for the device.
    Node save() const;
    /// Goes on with saved sums, beside what is there already.
    void load(const Node& saved);

  private:
    struct Sum {
        std::string name;
        double sum = 0;
        double weight = 0;
        Tensor on_device;  // float64 scalar, undefined on the CPU
    };
    Sum& find(const std::string& name);
    std::vector<std::string> names_everywhere();

    Comm& comm_;
    std::vector<Sum> sums_;
    std::vector<std::string> agreed_;  // names that all ranks are known to have, in order
};

}  // namespace ailab
