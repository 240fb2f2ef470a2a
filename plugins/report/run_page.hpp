#pragma once
#include <map>
#include <string>
#include <vector>

#include "ailab/page.hpp"
#include "ailab/run_record.hpp"
#include "worst_samples.hpp"

namespace ailab::report {

struct WorstSample {
    Verdict verdict;
    std::string name;
    std::string picture;  // PNG, or ""
};

/// What the last evaluation of a phase found.
struct Findings {
    std::string phase;
    std::vector<std::string> class_names;
    Confusion confusion;
    std::vector<WorstSample> worst;
};

/// The page of a run.
Page run_page(const RunRecord& record, const std::map<std::string, Findings>& findings);

/// The table of all classes, for the log.
std::string per_class_text(const Findings& findings);

}  // namespace ailab::report
