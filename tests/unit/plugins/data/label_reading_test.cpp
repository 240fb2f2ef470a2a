// Labels as they stand in annotation files and shards: what they are, and what is refused.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/make_module.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

using test::contains;
using test::make;
using Json = nlohmann::json;
using Labels = std::vector<int64_t>;
using Names = std::vector<std::string>;

class LabelReadingTest : public testing::Test {
  protected:
    std::shared_ptr<Dataset> open(const std::string& file, const std::string& more = "") {
        return make<Dataset>(R"({"type": "ClassificationImageDataset", "annotation_file": ")" +
                             folder_.path(file) + "\"" + more + "}");
    }
    std::shared_ptr<Dataset> open_text(const std::string& file, const std::string& text,
                                       const std::string& more = "") {
        folder_.write(file, text);
        return open(file, more);
    }
    /// FOLDER is the test's.
    std::string complaint(const std::string& file, const std::string& text,
                          const std::string& more = "") {
        return error_of([&] { open_text(file, text, more); }, folder_.path() + "/");
    }
    /// A shard of samples s0, s1, … whose labels are `labels`.
    std::shared_ptr<Dataset> open_shard(const Names& labels, const std::string& more = "") {
        std::string files;
        for (size_t i = 0; i < labels.size(); ++i) {
            const std::string key = "s" + std::to_string(i);
            folder_.write(key + ".png", "x");
            folder_.write(key + ".cls", labels[i]);
            files += " " + key + ".png " + key + ".cls";
        }
        const std::string command = "cd " + folder_.path() + " && tar -cf a.tar" + files;
        EXPECT_EQ(std::system(command.c_str()), 0);
        return make<Dataset>(R"({"type": "TarShards", "shards": [")" + folder_.path("a.tar") +
                             "\"]" + more + "}");
    }
    TemporaryFolder folder_;
};

Json reference() {
    std::ifstream file(AILAB_REFERENCE "/labels.json");
    return Json::parse(file);
}

TEST_F(LabelReadingTest, AgreesWithPandas) {
    const Json known = reference();
    for (const Json& row : known["cases"]) {
        const std::string file = row["file"], text = row["text"];
        SCOPED_TRACE(text);
        if (row["labels"].is_null())
            EXPECT_TRUE(contains(complaint(file, text), "FOLDER" + file + ":"))
                << complaint(file, text);
        else
            EXPECT_EQ(open_text(file, text)->labels(), row["labels"].get<Labels>());
    }
}

TEST_F(LabelReadingTest, WhatPandasTakesForMissingIsRefused) {
    const Json known = reference();
    for (const std::string word : known["missing"]) {
        SCOPED_TRACE(word);
        const std::string rows = "image,label\na.png,cat\nb.png,\"" + word + "\"\n";
        EXPECT_TRUE(contains(complaint("a.csv", rows), "FOLDERa.csv:3: the label is missing"));
        if (word.empty()) continue;
        const std::string classes = R"(, "classes": ["cat", ")" + word + "\"]";
        EXPECT_EQ(open_text("a.csv", rows, classes)->labels(), (Labels{0, 1}));
    }
}

TEST_F(LabelReadingTest, Accepted) {
    const struct {
        std::string file, text, more;
        Labels labels;
        Names names;
    } rows[] = {
        // A blank after the comma or at the end, a byte order mark, an integer as a decimal.
        {"a.csv", "image,label\na.png, 0\nb.png, 10\nc.png,2 \n", "", {0, 10, 2}, {}},
        {"a.csv", "\xef\xbb\xbfimage,label\r\na.png,3.0\r\nb.png,1\r\n", "", {3, 1}, {}},
        {"a.csv",
         "image,label\na.png, cat\nb.png,cat \nc.png,ape\n",
         "",
         {1, 1, 0},
         {"ape", "cat"}},
        {"a.txt", "a.png 3.0\nb.png\t10 \n", "", {3, 10}, {}},
        {"a.jsonl",
         "{\"image\": \"a\", \"label\": 3.0}\n{\"image\": \"b\", \"label\": \"7 \"}\n",
         "",
         {3, 7},
         {}},
        // `classes` names what would be a number, in any of its forms.
        {"a.csv",
         "image,label\na,20\nb,10.0\n",
         R"(, "classes": ["10", "20"])",
         {1, 0},
         {"10", "20"}},
        {"a.csv",
         "image,label\na,3.5\nb,4.0\n",
         R"(, "classes": ["3.5", "4.0"])",
         {0, 1},
         {"3.5", "4.0"}},
        {"a.csv",
         "image,label\na,1\nb, 0.0\nc,dog\n",
         R"(, "classes": ["cat", "dog"])",
         {1, 0, 1},
         {"cat", "dog"}},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.text);
        const auto data = open_text(row.file, row.text, row.more);
        EXPECT_EQ(data->labels(), row.labels);
        EXPECT_EQ(data->class_names(), row.names);
    }
}

/// A blank after the comma made names of all numbers, in the order of text: 10 became class 2.
TEST_F(LabelReadingTest, TwelveClassesInTheirOrder) {
    for (const std::string separator : {",", ", ", ",\t"}) {
        std::string rows = "image,label\n";
        Labels expected;
        for (int64_t i = 0; i < 12; ++i) {
            rows += "a.png" + separator + std::to_string(i) + "\n";
            expected.push_back(i);
        }
        EXPECT_EQ(open_text("a.csv", rows)->labels(), expected) << separator;
        EXPECT_TRUE(contains(complaint("a.csv", rows + "b.png,\n"),
                             "FOLDERa.csv:14: the label is missing: \"label\" is empty"));
    }
}

TEST_F(LabelReadingTest, TheNumberOfClassesIsThatOfTheLargestLabel) {
    EXPECT_EQ(open_text("a.txt", "a 0\nb 4\n")->num_classes(), 5);
    EXPECT_EQ(open_text("a.txt", "a 0\nb 4\n", R"(, "num_classes": 7)")->num_classes(), 7);
    EXPECT_EQ(open_text("a.txt", "a x\nb y\n")->num_classes(), 2);
    EXPECT_EQ(open_shard({"0", "3"})->num_classes(), 4);
}

TEST_F(LabelReadingTest, Refused) {
    const struct {
        const char *file, *text, *more, *complaint;
    } rows[] = {
        {"a.csv", "image,label\na0.png,3\na1.png,7\nsp ace.png,?\n", "",
         "FOLDERa.csv:4: the label \"?\" is no number, and others are (3 at FOLDERa.csv:2). "
         "Correct "
         "it, or name all classes in classes"},
        {"a.csv", "image,label\na,cat\nb,dog\nc,7\nd,7\n", R"(, "num_classes": 8)",
         "FOLDERa.csv:2: the label \"cat\" is no number, and others are (7 at FOLDERa.csv:4)"},
        {"a.csv", "image,label\na,cat\nb,dog\nc,dog\nd,7\n", "",
         "FOLDERa.csv:5: the label \"7\" is a number, and others are names (cat at FOLDERa.csv:2)"},
        {"a.csv", "image,label\na,1\nb,\n", "",
         "FOLDERa.csv:3: the label is missing: \"label\" is empty"},
        {"a.csv", "image,label\na,1\nb,NA\n", "",
         "FOLDERa.csv:3: the label is missing: \"label\" is \"NA\", which stands for no value, as "
         "in "
         "pandas; if it is a class, name it in classes"},
        {"a.txt", "# path label\na.png 1\nb.png 2\n", "",
         "FOLDERa.txt:1: there is no file # path, and a line that begins with # is no comment "
         "here"},
        {"a.txt", "a.png cat\n#b.png cat\n", "",
         "FOLDERa.txt:2: there is no file #b.png, and a line that begins with # is no comment"},
        {"a.txt", "path label\na.png 1\nb.png 2\n", "",
         "FOLDERa.txt:1: the label \"label\" is no number, and others are (1 at FOLDERa.txt:2)"},
        {"a.txt", "a 3.5\nb 1\n", "", "FOLDERa.txt:1: the label 3.5 is no whole number"},
        {"a.txt", "a 1\nb 9223372036854775808\n", "",
         "FOLDERa.txt:2: the label 9223372036854775808 does not fit 64 bits"},
        {"a.jsonl",
         "{\"image\": \"a0.png\", \"label\": 3.5}\n{\"image\": \"a1.png\", \"label\": 7.0}\n", "",
         "FOLDERa.jsonl:1: the label 3.5 is no whole number"},
        {"a.jsonl", "{\"image\": \"a\", \"label\": null}\n", "",
         "FOLDERa.jsonl:1: the label is missing: \"label\" is null"},
        {"a.jsonl", "{\"image\": \"a\", \"label\": [1]}\n", "",
         "FOLDERa.jsonl:1: \"label\" must be text, got a list of 1"},
        {"a.txt", "a 0\nb 2\n", R"(, "classes": ["1", "2"])", "FOLDERa.txt:1: unknown class \"0\""},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.text);
        EXPECT_TRUE(contains(complaint(row.file, row.text, row.more), row.complaint))
            << complaint(row.file, row.text, row.more);
    }
}

// It may be what the loss ignores: the run refuses it in the other case (e2e/test_labels.py).
TEST_F(LabelReadingTest, ANumberBeyondTheClassesStays) {
    const std::string three = R"(, "num_classes": 3)", named = R"(, "classes": ["cat", "dog"])";
    struct Row {
        std::string text, more;
        Labels labels;
        int64_t classes;
    };
    for (const Row& row : {Row{"a 0\nb 255\nc 2\n", three, {0, 255, 2}, 3},
                           Row{"a 4294967299\nb 0\n", three, {4294967299, 0}, 3},
                           Row{"a cat\nb 255\nc 1\n", named, {0, 255, 1}, 2},
                           Row{"a 7\nb 255\n", R"(, "classes": ["3", "7"])", {1, 255}, 2}}) {
        const auto data = open_text("a.txt", row.text, row.more);
        EXPECT_EQ(data->labels(), row.labels) << row.text;
        EXPECT_EQ(data->num_classes(), row.classes) << row.text;
    }
    // Also where the classes are numbered anew.
    const auto data = open_text("a.txt", "a cat\nb 255\nc dog\n", named);
    EXPECT_TRUE(data->number_classes_as({"ant", "cat", "dog"}));
    EXPECT_EQ(data->labels(), (Labels{1, 255, 2}));
}

TEST_F(LabelReadingTest, APathMayBeginWithThatOfAComment) {
    folder_.write("#1.png", "x");
    const std::string prefix = ", \"img_prefix\": \"" + folder_.path() + "\"";
    EXPECT_EQ(open_text("a.txt", "#1.png 3\n", prefix)->labels(), Labels{3});
}

TEST_F(LabelReadingTest, SeveralMistakesAreToldAtOnce) {
    const std::string text = complaint("a.csv", "image,label\na,1\nb,\nc,x\nd,2.5\n");
    EXPECT_TRUE(contains(text, "FOLDERa.csv:3: the label is missing")) << text;
    EXPECT_TRUE(contains(text, "FOLDERa.csv:5: the label 2.5 is no whole number")) << text;
}

TEST_F(LabelReadingTest, ShardsHaveTheSameRules) {
    EXPECT_EQ(open_shard({" 1", " 2"})->labels(), (Labels{1, 2}));
    EXPECT_EQ(open_shard({" 3", "7\n"})->labels(), (Labels{3, 7}));
    EXPECT_EQ(open_shard({"\xef\xbb\xbf"
                          "3",
                          "10.0"})
                  ->labels(),
              (Labels{3, 10}));
    EXPECT_EQ(open_shard({"3", "4294967299"})->labels(), (Labels{3, 4294967299}));
    EXPECT_EQ(open_shard({"dog\n", "cat"})->labels(), (Labels{1, 0}));
    const struct {
        Names labels;
        const char* complaint;
    } rows[] = {
        {{"1", ""}, "a.tar/s1.png: the label is missing: \"cls\" is empty"},
        {{"1", "nan"}, "a.tar/s1.png: the label is missing"},
        {{"1", "2", "x"}, "a.tar/s2.png: the label \"x\" is no number, and others are (1 at"},
        {{"1.5"}, "a.tar/s0.png: the label 1.5 is no whole number"}};
    for (const auto& row : rows)
        EXPECT_TRUE(contains(error_of([&] { open_shard(row.labels); }), row.complaint))
            << error_of([&] { open_shard(row.labels); });
}

TEST_F(LabelReadingTest, ASampleHasItsFilesLabelBeyond32Bits) {
    folder_.write("a.png", encode_png(at::zeros({3, 2, 2}, at::kByte)));
    const auto data = open_text("a.txt", folder_.path("a.png") + " 4294967299\n");
    EXPECT_EQ(data->get(0, {}).tensor("label").item<int64_t>(), 4294967299);
}

}  // namespace
}  // namespace ailab
