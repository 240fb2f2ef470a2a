// Pages are one file, whatever text is in them.
#include "ailab/support/page.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "page/escape.hpp"
#include "report/text_table.hpp"

namespace ailab {
namespace {

size_t count(const std::string& text, const std::string& part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

TEST(Page, EscapesEveryText) {
    const std::string evil = "<script>\"&'";
    Page page(evil);
    page.heading(evil).paragraph(evil).table({evil}, {{evil}}).text(evil, evil);
    page.matrix({evil}, {{1}}, evil, evil).image("png", evil);
    page.chart({evil, evil, {{evil, {0, 1}, {0, 1}}}});
    const std::string html = page.html();
    EXPECT_EQ(count(html, "<script>"), 0U);
    EXPECT_GT(count(html, "&lt;script&gt;&quot;&amp;"), 8U);
    EXPECT_EQ(count(html, "http://") + count(html, "https://"), 0U);
}

TEST(Page, ChartsWithoutPointsAreLeftOut) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Page page("t");
    page.chart({"none", "x", {}}).chart({"nan", "x", {{"a", {1, 2}, {nan, INFINITY}}}});
    EXPECT_EQ(count(page.html(), "<svg"), 0U);
    page.chart({"one", "x", {{"a", {1}, {2}}}});
    EXPECT_EQ(count(page.html(), "<svg"), 1U);
    EXPECT_EQ(count(page.html(), "<circle"), 1U);
}

TEST(Page, GapsBreakALine) {
    Page page("t");
    page.chart({"c", "x", {{"a", {0, 1, 2, 3}, {1, NAN, 1, 2}}}});
    const std::string html = page.html();
    const size_t begin = html.find("class=\"line c0\" d=\"") + 19;
    EXPECT_EQ(count(html.substr(begin, html.find('"', begin) - begin), "M"), 2U);
}

TEST(Page, LongCurvesKeepTheirPeaks) {
    Curve curve{"a", {}, {}};
    for (int i = 0; i < 100000; ++i) {
        curve.x.push_back(i);
        curve.y.push_back(i == 54321 ? 1000 : 0);
    }
    Page page("t");
    page.chart({"c", "x", {curve}});
    const std::string html = page.html();
    EXPECT_LT(html.size(), 40000U);
    EXPECT_GT(count(html, ">1000<"), 0U);
    EXPECT_GT(count(html, " 38.4"), 0U) << "the peak is near the top of the chart";
}

TEST(Page, NumbersStandToTheRight) {
    Page page("t");
    page.table({"name", "value"}, {{"a", "1.5"}, {"b", ""}, {"c", "12.5 %"}});
    EXPECT_EQ(count(page.html(), "<td class=\"n\">"), 3U);
}

TEST(Base64, OfRFC4648) {
    const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : cases) EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

TEST(TextTable, ColumnsAreAsWideAsTheirLongestCell) {
    TextTable table({"a", "bb"});
    table.add({"long", "x"});
    EXPECT_EQ(table.str(), "a     bb\nlong  x\n");
}

}  // namespace
}  // namespace ailab
