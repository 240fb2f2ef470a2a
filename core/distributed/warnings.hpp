#pragma once
// Warnings of all ranks, each told once: rank 0 gathers them.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net.hpp"

namespace ailab::dist {

/// "[rank 2] text", "[ranks 0-3, 5] text".
std::string told_by(const std::set<int>& ranks, const std::string& text);

/// Keeps a warning for a moment: what other ranks say in the same words meanwhile becomes one line
/// with it. A warning that one rank repeats stays repeated.
class WarningCollector {
  public:
    static constexpr std::chrono::milliseconds moment{300};

    void add(int rank, const std::string& text, Clock::time_point now);
    /// Takes out the lines whose moment is over, in the order in which they began.
    std::vector<std::string> take_due(Clock::time_point now);
    std::vector<std::string> take_all();
    /// When the next one is due.
    std::optional<Clock::time_point> next() const;

  private:
    struct Entry {
        std::string text;
        std::set<int> ranks;
        Clock::time_point due;
    };
    std::vector<Entry> entries_;  // by their time
};

}  // namespace ailab::dist
