// Annotation files as they lie around: line ends, wide tables, what Python writes as JSON.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <string_view>

#include "ailab/datasets/record_source.hpp"
#include "plugins/make_module.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

using test::contains;

class AnnotationFilesTest : public testing::Test {
  protected:
    template <class S>
    S open(const std::string& name, const std::string& bytes) {
        folder_.write(name, bytes);
        return S({folder_.path(name)});
    }
    template <class S>
    std::string complaint(const std::string& name, const std::string& bytes) {
        return error_of([&] { open<S>(name, bytes); }, folder_.path() + "/");
    }
    TemporaryFolder folder_;
};

TEST_F(AnnotationFilesTest, AnyLineEnd) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        SCOPED_TRACE(end == "\n" ? "LF" : end == "\r" ? "CR" : "CR LF");
        const auto csv =
            open<CsvTable>("a.csv", "image,label" + end + "a,1" + end + end + "b,2" + end + "c,3");
        ASSERT_EQ(csv.size(), 3);
        EXPECT_EQ(csv.record(1).text("image"), "b");
        EXPECT_EQ(csv.record(2).text("label"), "3");
        EXPECT_EQ(csv.place(1), folder_.path("a.csv") + ":4");
        const auto lines = open<JsonLines>("a.jsonl", "{\"a\": 1}" + end + "{\"a\": 2}" + end);
        ASSERT_EQ(lines.size(), 2);
        EXPECT_EQ(lines.record(1).integer("a"), 2);
        EXPECT_EQ(open<TextLines>("a.txt", "a 1" + end + "b 2" + end).record(1).text("label"), "2");
    }
    // Of a file that several systems wrote.
    const auto mixed = open<TextLines>("m.txt", "a 1\r\nb 2\nc 3\rd 4\r\r\ne 5");
    ASSERT_EQ(mixed.size(), 5);
    EXPECT_EQ(mixed.record(4).text("path"), "e");
    EXPECT_EQ(mixed.place(4), folder_.path("m.txt") + ":6");
}

TEST_F(AnnotationFilesTest, AnotherEncodingIsNamed) {
    const std::string utf16(
        "\xff\xfe"
        "a\0,\0b\0\n\0",
        10);
    EXPECT_EQ(complaint<CsvTable>("a.csv", utf16),
              "FOLDERa.csv is written in UTF-16; save it as UTF-8");
}

TEST_F(AnnotationFilesTest, NumbersThatPythonAddsToJson) {
    const auto lines = open<JsonLines>(
        "a.jsonl",
        "{\"a\": NaN, \"b\": [Infinity, -Infinity], \"c\": \"NaN, \\\" Infinity\", \"d\": 3}\n"
        "{\"a\": 18446744073709551615, \"d\": 4}\n");
    const Record first = lines.record(0);
    EXPECT_TRUE(std::isnan(first.number("a")));
    EXPECT_EQ(first.numbers("b"), (std::vector<double>{INFINITY, -INFINITY}));
    EXPECT_EQ(first.text("c"), "NaN, \" Infinity");
    EXPECT_EQ(first.integer("d"), 3);
    EXPECT_EQ(lines.record(1).number("a"), 18446744073709551615.0);
    EXPECT_EQ(lines.record(1).integer("d"), 4);
    const auto coco =
        open<CocoJson>("coco.json", R"({"images": [{"id": 7, "file_name": "a.jpg", "score": NaN}],
                         "annotations": [], "categories": []})");
    EXPECT_EQ(coco.record(0).text("file_name"), "a.jpg");
}

TEST_F(AnnotationFilesTest, TheLastOfTwoEqualKeysCounts) {
    std::string wide = "{\"a\": 1, ";
    for (int i = 0; i < 40; ++i) wide += "\"k" + std::to_string(i) + "\": 0, ";
    const auto lines = open<JsonLines>("a.jsonl", "{\"a\": 1, \"a\": 2}\n" + wide + "\"a\": 3}\n");
    EXPECT_EQ(lines.record(0).integer("a"), 2);
    EXPECT_EQ(lines.record(1).integer("a"), 3);
}

TEST_F(AnnotationFilesTest, AListOfObjectsInAJsonFile) {
    const std::string indented = R"(
[
  {
    "image": "a, ] b.jpg",
    "boxes": [[1, 2], [3, 4]],
    "label": 3
  },
  {"image": "c\"].jpg",
   "label": NaN}
]
)";
    for (const std::string& text : {indented, "\xef\xbb\xbf" + indented}) {
        const auto list = open<JsonLines>("a.json", text);
        ASSERT_EQ(list.size(), 2);
        EXPECT_EQ(list.record(0).text("image"), "a, ] b.jpg");
        EXPECT_EQ(list.record(0).integer("label"), 3);
        EXPECT_EQ(list.place(0), folder_.path("a.json") + ":3");
        EXPECT_EQ(list.record(1).text("image"), "c\"].jpg");
        EXPECT_EQ(list.place(1), folder_.path("a.json") + ":8");
    }
    EXPECT_EQ(open<JsonLines>("b.json", R"([{"a": 1},{"a": 2}])").size(), 2);
    EXPECT_EQ(open<JsonLines>("c.json", "{\"a\": 1}\n{\"a\": 2}\n").size(), 2);
    EXPECT_EQ(open<JsonLines>("d.json", "[ ]").size(), 0);
}

TEST_F(AnnotationFilesTest, RefusedJson) {
    const struct {
        const char *name, *text, *complaint;
    } rows[] = {
        {"a.json", "[\n {\"a\": 1},\n {\"a\": }\n]", "FOLDERa.json:3:7: this is no valid JSON: "},
        {"a.json", "[\n {\"a\":\n 1,}\n]", "FOLDERa.json:3:4: this is no valid JSON: "},
        {"a.json", "[{\"a\": 1},\n]", "FOLDERa.json:2: there is no entry before this"},
        {"a.json", "\n[{\"a\": 1},\n{\"a\": 2}",
         "FOLDERa.json:2: the list that begins here is not"},
        {"a.json", "[{\"a\": 1}]\n]", "FOLDERa.json:2: there is more behind the end of the list"},
        {"a.json", "[{\"a\": 1},\n7]",
         "FOLDERa.json:2: an entry must be a JSON object, got the num"},
        {"a.json", "{\n \"a\": 1\n}", "FOLDERa.json:1:2: this is no valid JSON: "},
        {"a.jsonl", "{\"a\": 1}\n{\"a\": NaN, \"b\": Nan}\n",
         "FOLDERa.jsonl:2:17: this is no valid"},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.text);
        const std::string text = complaint<JsonLines>(row.name, row.text);
        EXPECT_TRUE(text.starts_with(row.complaint)) << text;
        EXPECT_FALSE(contains(text, "json.exception")) << text;
    }
}

/// Whatever the bytes: records, or one of our errors.
TEST_F(AnnotationFilesTest, DamagedFilesAreReadOrRefused) {
    const std::string files[][2] = {
        {"a.json", "[\n {\"a\": [1, {\"b\": NaN}], \"c\": \"\\\"],\"},\n {\"a\": -Infinity}]\n"},
        {"a.jsonl", "{\"a\": \"x\\\\\", \"b\": NaN}\r\n{\"a\": {\"b\": []}}\r\n"},
        {"a.csv", "a,\"b\"\n\"1, \"\"x\"\"\",2\r\n,\n"}};
    const auto read = [&](const std::string& name, const std::string& bytes) {
        folder_.write(name, bytes);
        try {
            std::unique_ptr<RecordSource> source;
            if (name == "a.csv")
                source = std::make_unique<CsvTable>(CsvTable::Options{folder_.path(name)});
            else
                source = std::make_unique<JsonLines>(JsonLines::Options{folder_.path(name)});
            for (int64_t i = 0; i < source->size(); ++i) {
                source->record(i);
                source->part(i, {"a"});
            }
        } catch (const Error& error) {
            EXPECT_FALSE(std::string(error.what()).empty());
        }
    };
    constexpr std::string_view bytes = "\"\\[]{},:NI-1 \n\r\t\0\xff";
    for (const auto& [name, text] : files) {
        for (size_t at = 0; at < text.size(); ++at) {
            SCOPED_TRACE(name + " at " + std::to_string(at));
            read(name, text.substr(0, at));
            read(name, text.substr(0, at) + text.substr(at + 1));
            std::string changed = text;
            for (size_t i = at % 3; i < bytes.size(); i += 3) {
                changed[at] = bytes[i];
                read(name, changed);
            }
        }
    }
}

TEST_F(AnnotationFilesTest, ATableMaySayItsWidthIsWrong) {
    std::string header = "c0";
    for (int i = 1; i < 5000; ++i) header += ",c" + std::to_string(i);
    EXPECT_EQ(
        complaint<CsvTable>("a.csv", header + "\n1,2\n"),
        "FOLDERa.csv:2: expected 5000 fields (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, …), got "
        "2");
    const auto table = open<CsvTable>("b.csv", "a,b,c\n1,\"x, \"\"y\"\"\",\n,2,3\n");
    EXPECT_EQ(table.record(0).text("b"), "x, \"y\"");
    EXPECT_EQ(table.record(0).text("c"), "");
    EXPECT_EQ(table.record(1).text("a"), "");
}

/// Rows of 20,000 columns: pandas reads 24 of them in 0.8 s. Quadratic work takes minutes.
class WideFiles : public AnnotationFilesTest {
  protected:
    static constexpr int columns = 20000, rows = 24;
    template <class Action>
    static double seconds(const Action& action) {
        const auto begin = std::chrono::steady_clock::now();
        action();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    std::string csv() const {
        std::string text = "image,label";
        for (int i = 0; i < columns; ++i) text += ",g" + std::to_string(i);
        for (int row = 0; row < rows; ++row) {
            text += "\nx" + std::to_string(row) + ".png," + std::to_string(row % 3);
            for (int i = 0; i < columns; ++i) text += ",0.5";
        }
        return text;
    }
    std::string json() const {
        std::string text;
        for (int row = 0; row < rows; ++row) {
            text += "{\"image\": \"x.png\", \"label\": 1";
            for (int i = 0; i < columns; ++i) text += ", \"g" + std::to_string(i) + "\": 0.5";
            text += "}\n";
        }
        return text;
    }
    static void read_all(const RecordSource& source) {
        for (int64_t i = 0; i < source.size(); ++i) {
            const Record record = source.record(i);
            double sum = 0;
            for (int c = 0; c < columns; ++c) sum += record.number("g" + std::to_string(c));
            EXPECT_EQ(sum, columns / 2);
        }
    }
    static constexpr double most = 10;  // seconds, on a machine that is busy too
};

TEST_F(WideFiles, EveryValueOfATable) {
    folder_.write("a.csv", csv());
    EXPECT_LT(seconds([&] { read_all(CsvTable({folder_.path("a.csv")})); }), most);
}

TEST_F(WideFiles, EveryValueOfJsonLines) {
    folder_.write("a.jsonl", json());
    EXPECT_LT(seconds([&] { read_all(JsonLines({folder_.path("a.jsonl")})); }), most);
}

TEST_F(WideFiles, ImagesAndLabelsOfATable) {
    for (const std::string name : {"a.csv", "a.jsonl"}) {
        SCOPED_TRACE(name);
        folder_.write(name, name == "a.csv" ? csv() : json());
        EXPECT_LT(seconds([&] {
                      const auto data = test::make<Dataset>(
                          R"({"type": "ClassificationImageDataset", "annotation_file": ")" +
                          folder_.path(name) + "\"}");
                      for (int repeat = 0; repeat < 10; ++repeat)
                          for (int64_t i = 0; i < rows; ++i) data->sample_name(i);
                  }),
                  most);
    }
}

TEST_F(WideFiles, APartOfARecord) {
    const auto table = open<CsvTable>("a.csv", csv());
    const Record record = table.part(2, {"label", "image"});
    EXPECT_EQ(record.text("image"), "x2.png");
    EXPECT_EQ(record.integer("label"), 2);
    EXPECT_EQ(record.values().members().size(), 2u);
    const auto lines = open<JsonLines>("a.jsonl", json());
    EXPECT_EQ(lines.part(0, {"label"}).values().members().size(), 1u);
    EXPECT_TRUE(contains(error_of([&] { table.part(0, {"path"}).text("path"); }),
                         "there is no \"path\"; there are: image, label, g0"));
}

}  // namespace
}  // namespace ailab
