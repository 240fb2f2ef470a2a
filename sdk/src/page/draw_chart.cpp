#include "draw_chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "escape.hpp"

namespace ailab {
namespace {

constexpr double width = 560, height = 300;
constexpr double left = 58, right = 12, top = 30, bottom = 42;
constexpr size_t colour_count = 8;

struct Range {
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();

    void add(double value) {
        if (!std::isfinite(value)) return;
        min = std::min(min, value);
        max = std::max(max, value);
    }
    bool empty() const { return min > max; }
    /// A little room, and never nothing.
    Range widened() const {
        const double room = max > min ? (max - min) * 0.04 : max == 0 ? 1 : std::abs(max) * 0.1;
        return {min - room, max + room};
    }
};

/// 1, 2 or 5 times a power of ten, so that about five fit.
double tick_step(const Range& range) {
    const double rough = (range.max - range.min) / 5;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (rough <= factor * power) return factor * power;
    return 10 * power;
}

std::string number(double value) {
    return fixed_text(value, 1);
}

class Plot {
  public:
    explicit Plot(const Chart& chart) : chart_(chart) {
        Range x, y;
        for (const Curve& curve : chart.curves)
            for (size_t i = 0; i < std::min(curve.x.size(), curve.y.size()); ++i)
                if (std::isfinite(curve.y[i])) {
                    x.add(curve.x[i]);
                    y.add(curve.y[i]);
                }
        empty_ = x.empty();
        if (empty_) return;
        x_ = x.max > x.min ? x : x.widened();
        y_ = y.widened();
    }

    std::string draw() const {
        if (empty_) return "";
        std::string svg = concat("<figure class=\"chart\"><svg viewBox=\"0 0 ", int(width), " ",
                                 int(height), "\" role=\"img\" aria-label=\"",
                                 escape_html(chart_.title), "\"><text class=\"title\" x=\"",
                                 int(left), "\" y=\"18\">", escape_html(chart_.title), "</text>");
        svg += grid();
        for (size_t i = 0; i < chart_.curves.size(); ++i)
            svg += line(chart_.curves[i], i % colour_count);
        svg += "</svg><figcaption>";
        for (size_t i = 0; i < chart_.curves.size(); ++i)
            if (!chart_.curves[i].y.empty())
                svg += concat("<span class=\"c", i % colour_count, "\">",
                              escape_html(chart_.curves[i].name), last_value(chart_.curves[i]),
                              "</span>");
        return svg + "</figcaption></figure>\n";
    }

  private:
    double px(double x) const {
        return left + (x - x_.min) / (x_.max - x_.min) * (width - left - right);
    }
    double py(double y) const {
        return height - bottom - (y - y_.min) / (y_.max - y_.min) * (height - top - bottom);
    }

    std::string grid() const {
        std::string svg;
        const double step_y = tick_step(y_), step_x = tick_step(x_);
        for (double y = std::ceil(y_.min / step_y) * step_y; y <= y_.max; y += step_y)
            svg += concat("<path class=\"grid\" d=\"M", number(left), " ", number(py(y)), "H",
                          number(width - right), "\"/><text class=\"tick y\" x=\"",
                          number(left - 6), "\" y=\"", number(py(y) + 4), "\">",
                          readable(std::abs(y) < step_y / 2 ? 0 : y), "</text>");
        for (double x = std::ceil(x_.min / step_x) * step_x; x <= x_.max; x += step_x)
            svg += concat("<text class=\"tick x\" x=\"", number(px(x)), "\" y=\"",
                          number(height - bottom + 16), "\">",
                          readable(std::abs(x) < step_x / 2 ? 0 : x), "</text>");
        return svg + concat("<path class=\"axis\" d=\"M", number(left), " ",
                            number(height - bottom), "H", number(width - right),
                            "\"/><text class=\"tick x\" x=\"", number((left + width - right) / 2),
                            "\" y=\"", number(height - 6), "\">", escape_html(chart_.x_label),
                            "</text>");
    }

    /// Long curves keep the least and the greatest value of each stretch of a pixel.
    static std::vector<size_t> chosen(const Curve& curve) {
        const size_t count = std::min(curve.x.size(), curve.y.size());
        constexpr size_t most = 1200;
        std::vector<size_t> all;
        if (count <= most) {
            for (size_t i = 0; i < count; ++i) all.push_back(i);
            return all;
        }
        const size_t stretches = most / 2;
        for (size_t s = 0; s < stretches; ++s) {
            size_t low = s * count / stretches, high = low;
            for (size_t i = low; i < (s + 1) * count / stretches; ++i) {
                if (!(curve.y[i] >= curve.y[low])) low = i;
                if (!(curve.y[i] <= curve.y[high])) high = i;
            }
            all.push_back(std::min(low, high));
            if (low != high) all.push_back(std::max(low, high));
        }
        return all;
    }

    std::string line(const Curve& curve, size_t colour) const {
        std::string path;
        size_t points = 0;
        char move = 'M';
        double last_x = 0, last_y = 0;
        for (const size_t i : chosen(curve)) {
            if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) {
                move = 'M';
                continue;
            }
            last_x = px(curve.x[i]);
            last_y = py(curve.y[i]);
            path += concat(move, number(last_x), " ", number(last_y));
            move = 'L';
            ++points;
        }
        if (points == 0) return "";
        std::string svg = concat("<path class=\"line c", colour, "\" d=\"", path, "\"><title>",
                                 escape_html(curve.name), last_value(curve), "</title></path>");
        if (points == 1)
            svg += concat("<circle class=\"dot c", colour, "\" cx=\"", number(last_x), "\" cy=\"",
                          number(last_y), "\" r=\"3\"/>");
        return svg;
    }

    static std::string last_value(const Curve& curve) {
        return curve.y.empty() ? "" : concat(": ", readable(curve.y.back()));
    }

    const Chart& chart_;
    Range x_, y_;
    bool empty_ = true;
};

}  // namespace

std::string draw_chart(const Chart& chart) {
    return Plot(chart).draw();
}

}  // namespace ailab
