#pragma once
#include <map>
#include <memory>
#include <string>

#include "ailab/support/page.hpp"
#include "ailab/support/run_record.hpp"
#include "ailab/task.hpp"

namespace ailab::report {

/// What the last evaluation of each phase found.
using FindingsByPhase = std::map<std::string, std::shared_ptr<const Findings>>;

/// The page of a run.
Page run_page(const RunRecord& record, const FindingsByPhase& findings);

}  // namespace ailab::report
