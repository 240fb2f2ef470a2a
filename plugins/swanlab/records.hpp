#pragma once
// The records of a .swanlab file: messages of SwanLab's record.proto (swanlab 0.10).
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/support/protobuf.hpp"

namespace ailab::swanlab {

/// Of the run, for its page.
struct RunFacts {
    std::string id;
    std::string project;
    std::string workspace;
    std::string name;
    std::string description;
    std::vector<std::string> tags;
    std::string group;
};

enum class RunState { running = 0, finished = 1, crashed = 2, aborted = 3 };

// Times are seconds since 1970. Each gives the bytes of a whole Record.
std::string start_record(const RunFacts& facts, double time);
std::string finish_record(RunState state, const std::string& error, double time);
/// The file of the run's configuration, which lies at `path`.
std::string config_record(const std::string& path, double time);
/// A curve, before its first point. Its section is what stands before the first slash of `key`.
std::string column_record(int64_t number, const std::string& key, double time);
std::string scalar_record(int64_t number, const std::string& key, int64_t step, double value,
                          double time);

}  // namespace ailab::swanlab
