#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ailab {

/// A sample that was left out of its batch, or used though damaged.
struct SampleFault {
    int64_t id = 0;
    std::string name;  // the dataset's sample_name(), or ""
    std::string reason;
    bool used = false;
};

/// What became of the samples that a loader assigned to this rank.
struct SampleFaults {
    int64_t assigned = 0;
    int64_t left_out = 0;
    int64_t used_damaged = 0;
    std::vector<SampleFault> list;

    void add(int64_t samples, std::vector<SampleFault> faults) {
        assigned += samples;
        for (SampleFault& fault : faults) {
            ++(fault.used ? used_damaged : left_out);
            list.push_back(std::move(fault));
        }
    }
};

}  // namespace ailab
