#pragma once
// What the bar's line says, at any width.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ailab {

/// Where a phase stands.
struct BarState {
    std::string phase;  // train, val, test
    /// What the phase is nested in: epochs from 1, or steps for a run without epochs.
    bool by_epoch = true;
    int64_t outer = 0;
    int64_t outer_total = 0;
    int64_t samples = 0;
    int64_t total_samples = 0;
    double elapsed = 0;  // seconds
    double rate = 0;     // samples a second; 0: not known yet
    /// By name, as texts. The first ones are the last to be left out.
    std::vector<std::pair<std::string, std::string>> values;
};

/// tqdm's line: "epoch 3/10 train  57%|#####     | 34240/60000 [00:12<00:09, 2810 samples/s]
/// loss=0.3121, lr=0.001", in at most `columns`. What does not fit is left out, the least wanted
/// first. `blocks`: a bar of Unicode's block elements in place of '#'.
std::string bar_line(const BarState& state, size_t columns, bool blocks);
/// The same without a bar, whole.
std::string plain_line(const BarState& state);

/// "00:09", "1:02:03", as tqdm writes times.
std::string clock_text(double seconds);
/// "0.3121", or "3.12e-07" where that says more.
std::string value_text(double value);

}  // namespace ailab
