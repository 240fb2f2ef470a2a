#pragma once
#include <string>

#include "ailab/support/page.hpp"

namespace ailab {

/// A chart as an SVG element, or "" when there is nothing to draw. Colours are those of the page's
/// style sheet.
std::string draw_chart(const Chart& chart);

}  // namespace ailab
