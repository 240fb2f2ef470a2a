#pragma once

namespace ailab {

// How large the integers of the configuration may be. What lies beyond is a slip of the keyboard;
// let through, it would overflow what is computed with it, or ask for more threads and memory than
// a machine has.
constexpr double most_ranks = 1e6;
constexpr double most_seconds = 1e6;  // eleven days, which still fit the milliseconds of an int
constexpr double most_threads = 1024;
constexpr double most_batches_ahead = 1024;
constexpr double most_samples = 1e9;  // of a batch
constexpr double most_rounds = 1e9;   // of the workflow, and epochs of one of its phases
constexpr double most_steps = 1e12;   // of the whole run
constexpr double most_megabytes = 1e6;

}  // namespace ailab
