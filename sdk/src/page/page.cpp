#include "ailab/support/page.hpp"

#include <algorithm>
#include <numeric>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "draw_chart.hpp"
#include "escape.hpp"

namespace ailab {
namespace {

/// Colours of curves: Okabe and Ito's palette, which colour-blind people tell apart.
constexpr const char* style = R"(
:root{color-scheme:light dark;--back:#fff;--text:#1c2430;--soft:#5b6675;--line:#dfe4ea;--panel:#f6f8fa;--cell:0,114,178}
@media(prefers-color-scheme:dark){:root{--back:#14181e;--text:#e3e8ee;--soft:#98a4b3;--line:#2c343e;--panel:#1b2129;--cell:86,180,233}}
body{margin:0 auto;max-width:1200px;padding:24px;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6em;margin:.2em 0 .6em;overflow-wrap:anywhere}h2{font-size:1.15em;margin:1.8em 0 .6em;border-bottom:1px solid var(--line);padding-bottom:.2em}
p{overflow-wrap:anywhere}.group{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:16px}
.images{display:flex;flex-wrap:wrap;gap:14px}figure{margin:0}.chart{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:8px}
.chart svg{width:100%;height:auto;display:block}figcaption{font-size:.85em;color:var(--soft)}.chart figcaption span{margin-right:1.2em;white-space:nowrap}
.chart figcaption span::before{content:"";display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;background:currentColor}
.images figure{max-width:150px}.images img{width:128px;height:128px;object-fit:contain;image-rendering:pixelated;background:var(--panel);border:1px solid var(--line);border-radius:6px}
.title{font-size:14px;font-weight:600;fill:var(--text)}.tick{font-size:11px;fill:var(--soft)}.y{text-anchor:end}.x{text-anchor:middle}
.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}.line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}.dot{fill:currentColor}
.c0{color:#0072b2}.c1{color:#d55e00}.c2{color:#009e73}.c3{color:#cc79a7}.c4{color:#e69f00}.c5{color:#56b4e9}.c6{color:#8c6d31}.c7{color:#7f7f7f}
@media(prefers-color-scheme:dark){.c0{color:#56b4e9}.c1{color:#ff8c42}.c2{color:#2fd6a3}.c5{color:#9ad7ff}.c6{color:#c9a866}.c7{color:#b0b0b0}}
.scroll{overflow:auto;max-height:70vh;border:1px solid var(--line);border-radius:8px}table{border-collapse:collapse;font-size:.9em;font-variant-numeric:tabular-nums}
th,td{padding:.3em .8em;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}td.n,th.n{text-align:right}thead th{position:sticky;top:0;background:var(--panel)}
.matrix td{text-align:right;padding:.25em .5em;border:1px solid var(--line)}.matrix th{font-weight:500}
details{margin:.8em 0}summary{cursor:pointer;font-weight:600}pre{overflow:auto;background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px;font-size:.85em}
)";

bool is_number(const std::string& cell) {
    constexpr std::string_view unit = " %";
    std::string_view number = cell;
    if (number.ends_with(unit)) number.remove_suffix(unit.size());
    return parse_number(number).has_value();
}

}  // namespace

Page::Page(const std::string& title) : title_(title) {}

/// Closes the open group and opens `name` ("" for none).
void Page::group(const char* name) {
    if (group_ == name) return;
    if (!group_.empty()) body_ += "</div>\n";
    group_ = name;
    if (!group_.empty()) body_ += concat("<div class=\"", group_, "\">\n");
}

Page& Page::heading(const std::string& text) {
    group("");
    body_ += concat("<h2>", escape_html(text), "</h2>\n");
    return *this;
}

Page& Page::paragraph(const std::string& text) {
    group("");
    body_ += concat("<p>", escape_html(text), "</p>\n");
    return *this;
}

Page& Page::chart(const Chart& chart) {
    const std::string svg = draw_chart(chart);
    if (svg.empty()) return *this;
    group("group");
    body_ += svg;
    return *this;
}

Page& Page::table(const std::vector<std::string>& header,
                  const std::vector<std::vector<std::string>>& rows) {
    group("");
    std::vector<bool> numeric(header.size(), !rows.empty());
    for (const auto& row : rows)
        for (size_t i = 0; i < std::min(row.size(), header.size()); ++i)
            if (!row[i].empty() && !is_number(row[i])) numeric[i] = false;
    const auto cell = [&](const char* tag, size_t i, const std::string& text) {
        const bool right = i < numeric.size() && numeric[i];
        return concat("<", tag, right ? " class=\"n\">" : ">", escape_html(text), "</", tag, ">");
    };
    body_ += "<div class=\"scroll\"><table>";
    if (!header.empty()) {
        body_ += "<thead><tr>";
        for (size_t i = 0; i < header.size(); ++i) body_ += cell("th", i, header[i]);
        body_ += "</tr></thead>";
    }
    body_ += "<tbody>\n";
    for (const auto& row : rows) {
        body_ += "<tr>";
        for (size_t i = 0; i < row.size(); ++i) body_ += cell("td", i, row[i]);
        body_ += "</tr>\n";
    }
    body_ += "</tbody></table></div>\n";
    return *this;
}

Page& Page::matrix(const std::vector<std::string>& names,
                   const std::vector<std::vector<int64_t>>& counts, const std::string& row_label,
                   const std::string& column_label) {
    group("");
    body_ += concat("<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th>",
                    escape_html(row_label), " \\ ", escape_html(column_label), "</th>");
    for (const std::string& name : names) body_ += concat("<th>", escape_html(name), "</th>");
    body_ += "</tr></thead><tbody>\n";
    for (size_t row = 0; row < counts.size(); ++row) {
        body_ += concat("<tr><th>", escape_html(names[row]), "</th>");
        const auto total =
            double(std::accumulate(counts[row].begin(), counts[row].end(), int64_t(0)));
        for (const int64_t count : counts[row])
            body_ += concat("<td style=\"background:rgba(var(--cell),",
                            readable(total > 0 ? 0.75 * double(count) / total : 0), ")\">", count,
                            "</td>");
        body_ += "</tr>\n";
    }
    body_ += "</tbody></table></div>\n";
    return *this;
}

Page& Page::image(const std::string& png, const std::string& caption) {
    group("images");
    body_ += concat("<figure><img alt=\"\" src=\"data:image/png;base64,", base64(png),
                    "\"><figcaption>", escape_html(caption), "</figcaption></figure>\n");
    return *this;
}

Page& Page::text(const std::string& title, const std::string& lines) {
    group("");
    body_ += concat("<details><summary>", escape_html(title), "</summary><pre>", escape_html(lines),
                    "</pre></details>\n");
    return *this;
}

std::string Page::html() const {
    return concat("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>",
                  escape_html(title_),
                  "</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                  "<style>",
                  style, "</style></head><body>\n<h1>", escape_html(title_), "</h1>\n", body_,
                  group_.empty() ? "" : "</div>\n", "</body></html>\n");
}

}  // namespace ailab
