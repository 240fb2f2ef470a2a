#include "bar_line.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "text_width.hpp"

namespace ailab {
namespace {

/// Whole numbers: those with a point are not to go by the locale.
template <class... Values>
std::string formatted(const char* format, Values... values) {
    char text[64];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

/// What is in a line.
struct Layout {
    size_t narrowest_bar;  // 0: no bar
    size_t values;         // at most so many
    bool words;            // "epoch", "samples"
    bool counts;           // 34240/60000
    bool elapsed;
    bool rate;
};

constexpr size_t all_values = 100;
/// The widest first. Loss and learning rate are the first two values.
constexpr Layout layouts[] = {
    {10, all_values, true, true, true, true},  //
    {10, 2, true, true, true, true},           //
    {8, 2, false, true, true, true},           //
    {8, 1, false, true, true, true},           //
    {6, 1, false, true, false, true},          //
    {6, 1, false, false, false, true},         //
    {4, 1, false, false, false, false},        //
    {0, 1, false, false, false, false},        //
};
constexpr Layout whole_line = {0, all_values, true, true, true, true};

double share(const BarState& state) {
    if (state.total_samples <= 0) return 0;
    return std::clamp(double(state.samples) / double(state.total_samples), 0.0, 1.0);
}

/// "epoch 3/10 train  57%"
std::string head(const BarState& state, bool words) {
    std::string text = words ? (state.by_epoch ? "epoch " : "step ") : "";
    text += std::to_string(state.outer);
    if (state.outer_total > 0) text += concat("/", state.outer_total);
    // 100 % is what is complete.
    return concat(text, " ", state.phase, formatted(" %3d%%", int(std::floor(share(state) * 100))));
}

std::string bar(double share, size_t columns, bool blocks) {
    static const char* const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const auto full = size_t(share * double(columns));
    const auto part = size_t((share * double(columns) - double(full)) * 8);
    std::string text;
    for (size_t i = 0; i < full; ++i) text += blocks ? "█" : "#";
    const bool partly = blocks && part > 0 && full < columns;
    if (partly) text += eighths[part];
    return text + std::string(columns - full - size_t(partly), ' ');
}

std::string rate_text(double rate) {
    if (rate <= 0) return "?";
    if (rate < 1) return fixed_text(rate, 2);
    if (rate < 100) return fixed_text(rate, 1);
    if (rate < 1e6) return fixed_text(rate, 0);
    return fixed_text(rate / 1e6, 2) + "M";
}

std::string remaining(const BarState& state) {
    return state.rate > 0 ? clock_text(double(state.total_samples - state.samples) / state.rate)
                          : "?";
}

/// "34240/60000 [00:12<00:09, 2810 samples/s]", or as much of it as is wanted.
std::string numbers(const BarState& state, const Layout& layout) {
    std::string times = remaining(state);
    if (layout.elapsed) times = concat(clock_text(state.elapsed), "<", times);
    if (layout.rate)
        times += concat(", ", rate_text(state.rate), layout.words ? " samples/s" : "/s");
    if (!layout.counts) return times;
    return concat(state.samples, "/", state.total_samples, " [", times, "]");
}

/// " loss=0.3121, lr=0.001"
std::string values(const BarState& state, size_t most) {
    std::string text;
    for (size_t i = 0; i < std::min(most, state.values.size()); ++i) {
        const auto& [name, value] = state.values[i];
        text += concat(i == 0 ? " " : ", ", name, "=", value);
    }
    return text;
}

}  // namespace

std::string clock_text(double seconds) {
    const auto whole = int64_t(std::min(seconds, 1e12));
    const auto hours = static_cast<long long>(whole / 3600);
    const int minutes = int(whole / 60 % 60), rest = int(whole % 60);
    return hours > 0 ? formatted("%lld:%02d:%02d", hours, minutes, rest)
                     : formatted("%02d:%02d", minutes, rest);
}

std::string value_text(double value) {
    const double size = std::abs(value);
    return size == 0 || (size >= 1e-3 && size < 1e4) ? fixed_text(value, 4)
                                                     : general_text(value, 3);
}

std::string bar_line(const BarState& state, size_t columns, bool blocks) {
    for (const Layout& layout : layouts) {
        const std::string left = head(state, layout.words);
        const std::string right = " " + numbers(state, layout) + values(state, layout.values);
        const size_t frame = layout.narrowest_bar > 0 ? 2 : 0;
        const size_t taken = text_width(left) + frame + text_width(right);
        if (taken + layout.narrowest_bar > columns) continue;
        if (frame == 0) return cut_text(left + right, columns);
        return concat(left, "|", bar(share(state), columns - taken, blocks), "|",
                      cut_text(right, columns));
    }
    return cut_text(head(state, false), columns);
}

std::string plain_line(const BarState& state) {
    const std::string line = concat(head(state, whole_line.words), " ", numbers(state, whole_line),
                                    values(state, whole_line.values));
    return cut_text(line, text_width(line));
}

}  // namespace ailab
