#pragma once
// HTML pages that are one file: charts, tables and images, for light and dark screens. What a
// report hook of one's own writes.
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// Points joined by lines, in the order of x. What is not finite leaves a gap. One without points
/// takes its colour all the same, so that a name keeps it from chart to chart.
struct Curve {
    std::string name;
    std::vector<double> x;
    std::vector<double> y;
};

struct Chart {
    std::string title;
    std::string x_label;
    std::vector<Curve> curves;
};

/// A page that grows from top to bottom. All text is escaped; nothing is fetched from elsewhere.
/// One thread.
class AILAB_API Page {
  public:
    explicit Page(const std::string& title);

    Page& heading(const std::string& text);
    Page& paragraph(const std::string& text);
    /// Charts that follow one another stand side by side where there is room. One without any
    /// point is left out.
    Page& chart(const Chart& chart);
    /// Columns of numbers stand to the right. Long tables scroll. The header may be empty.
    Page& table(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows);
    /// Counts as a square of cells, darker the greater a count is of its row's sum.
    Page& matrix(const std::vector<std::string>& names,
                 const std::vector<std::vector<int64_t>>& counts, const std::string& row_label,
                 const std::string& column_label);
    /// A PNG file's bytes. Images that follow one another stand side by side.
    Page& image(const std::string& png, const std::string& caption);
    /// A text of many lines, folded under `title`.
    Page& text(const std::string& title, const std::string& lines);

    std::string html() const;

  private:
    void group(const char* name);

    std::string title_;
    std::string body_;
    std::string group_;  // the open one of charts or images
};

}  // namespace ailab
