#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ailab/comm.hpp"
#include "ailab/node.hpp"
#include "data/loader.hpp"

namespace ailab {

/// Tells which samples of all ranks were left out, or used though damaged: a line a phase, and each
/// sample once a run, in the log and in `<run_dir>/broken_samples.jsonl`. Main thread.
class SampleReport {
  public:
    SampleReport(Comm& comm, const std::string& run_dir)
        : comm_(comm), path_(run_dir + "/broken_samples.jsonl") {}

    /// At the end of a phase, `epoch` counted from 0. Collective. Throws Error, on all ranks, when
    /// they together left out more samples than the loader's max_errors.
    void tell(Loader& loader, int64_t epoch);

    /// After tell(), where the phase was not broken off. Throws Error, on all ranks, when of an
    /// epoch, or of all that this run has been assigned so far, no sample could be used.
    void expect_any(const Loader& loader) const;

  private:
    void list(const Node::List& mine, const std::string& loader_name);
    bool is_new(const Node& fault);
    void append(const Node::List& faults);
    void read_earlier();

    Comm& comm_;
    const std::string path_;
    /// By the loader's name, of all ranks and phases since this process began.
    struct Total {
        int64_t assigned = 0, left_out = 0;
    };
    std::map<std::string, Total> totals_;
    /// What was listed: the loader's name and the sample's number.
    std::set<std::pair<std::string, int64_t>> listed_;
    bool has_read_ = false;
    bool is_torn_ = false;  // the file's last line has no end
};

}  // namespace ailab
