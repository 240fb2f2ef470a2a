#pragma once
#include <string>

#include "ailab/options.hpp"

namespace ailab {

/// Options of a momentum that moves against the learning rate, by PyTorch's names.
struct MomentumCycle {
    bool cycles = true;
    double base;  // where the rate is highest
    double max;   // where it is lowest

    MomentumCycle(double default_base, double default_max) : base(default_base), max(default_max) {}

    void visit(OptionVisitor& v) {
        const Bounds momentum = {.min = 0, .max = 1, .exclusive_max = true};
        v.option("cycle_momentum", cycles, "move the momentum against the learning rate");
        v.option("base_momentum", base, "the lowest momentum, where the rate is highest", momentum);
        v.option("max_momentum", max, "the highest momentum, where the rate is lowest", momentum);
        v.rule([this]() -> std::string {
            if (!cycles || base <= max) return "";
            return concat("base_momentum, the lowest one, is ", base,
                          ", above max_momentum, which is ", max);
        });
    }
};

}  // namespace ailab
