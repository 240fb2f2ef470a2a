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
    explicit Meters(Comm& comm) : comm_(&comm) {}

    void add(const std::string& name, double mean, double weight);
    void add(const std::string& name, const Tensor& mean, double weight);
    /// Leaves it out if `left_out`, a scalar on the same device, is not 0.
    void add_unless(const Tensor& left_out, const std::string& name, const Tensor& mean,
                    double weight);
    std::vector<std::pair<std::string, double>> reduce() override;

    /// This rank's sums. Waits for the device.
    Node save();
    /// Goes on with saved sums, beside what is there already.
    void load(const Node& saved);

  private:
    struct Sum {
        std::string name;
        double sum = 0;
        double weight = 0;
        // Sum and weight on a device, float64 scalars; undefined where there is nothing.
        Tensor on_device;
        Tensor weight_on_device;

        /// Takes what is on the device to the host. Waits for it.
        void collect();
    };
    Sum& find(const std::string& name);
    std::vector<std::string> names_everywhere();

    Comm* comm_;
    std::vector<Sum> sums_;
    std::vector<std::string> agreed_;  // names that all ranks are known to have, in order
};

}  // namespace ailab
