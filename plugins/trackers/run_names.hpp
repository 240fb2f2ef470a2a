#pragma once
#include <ctime>
#include <string>

namespace ailab {

/// Seconds since 1970.
double unix_time();
/// "20261126_174805", local: in the names of trackers' folders.
std::string time_text(time_t time);
/// Eight small letters and digits, as trackers name their runs.
std::string random_run_id();

}  // namespace ailab
