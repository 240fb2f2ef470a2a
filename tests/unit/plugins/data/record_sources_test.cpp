// Where datasets' records come from: each kind of file, and what is refused of it.
#include <gtest/gtest.h>

#include "ailab/datasets/task.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

class RecordSourceTest : public testing::Test {
  protected:
    template <class S>
    std::string complaint(const std::string& name, const std::string& bytes) {
        folder_.write(name, bytes);
        return error_of([&] { S({folder_.path(name)}); }, folder_.path() + "/");
    }
    TemporaryFolder folder_;
};

TEST_F(RecordSourceTest, JsonLinesHoldTypedValues) {
    folder_.write("a.jsonl",
                  "\xef\xbb\xbf{\"image\": \"a b.jpg\", \"label\": 3, \"box\": [1, 2.5]}\r\n\n"
                  "{\"image\": \"c.jpg\", \"label\": \"cat\"}");
    const JsonLines lines({folder_.path("a.jsonl")});
    ASSERT_EQ(lines.size(), 2);
    const Record first = lines.record(0), second = lines.record(1);
    EXPECT_EQ(first.text("image"), "a b.jpg");
    EXPECT_EQ(first.integer("label"), 3);
    EXPECT_EQ(first.text("label"), "3");
    EXPECT_EQ(first.numbers("box"), (std::vector<double>{1, 2.5}));
    EXPECT_EQ(second.text("label"), "cat");
    EXPECT_EQ(lines.place(1), folder_.path("a.jsonl") + ":3");
}

TEST_F(RecordSourceTest, RecordsSayWhatTheyLack) {
    folder_.write("a.jsonl", R"({"image": "a.jpg", "size": [1, "x"], "label": "cat"})");
    const JsonLines lines({folder_.path("a.jsonl")});
    const Record record = lines.record(0);
    const auto complaint = [&](const auto& ask) { return error_of(ask, folder_.path() + "/"); };
    EXPECT_EQ(complaint([&] { record.text("path"); }),
              "FOLDERa.jsonl:1: there is no \"path\"; there are: image, size, label");
    EXPECT_EQ(complaint([&] { record.integer("label"); }),
              "FOLDERa.jsonl:1: \"label\" must be an integer, got the string \"cat\"");
    EXPECT_EQ(complaint([&] { record.numbers("size"); }),
              "FOLDERa.jsonl:1: \"size\"[1] must be a number, got the string \"x\"");
    EXPECT_EQ(complaint([&] { record.text("size"); }),
              "FOLDERa.jsonl:1: \"size\" must be text, got a list of 2");
    EXPECT_THROW(record.text("path"), BrokenSample);
}

TEST_F(RecordSourceTest, TheCharacterZeroIsInNoText) {
    using namespace std::string_literals;
    const std::string complaint = "the character 0 is in no text; save the file as UTF-8";
    EXPECT_EQ(this->complaint<TextLines>("a.txt", "a.jpg 1\nb\0.jpg 2\n"s),
              "FOLDERa.txt:2: " + complaint);
    EXPECT_EQ(this->complaint<CsvTable>("utf16.csv", "a\0,\0b\0\n\0"s),
              "FOLDERutf16.csv:1: " + complaint);
    folder_.write("a.jsonl", R"({"image": "a\u0000b"})");
    const JsonLines lines({folder_.path("a.jsonl")});
    EXPECT_EQ(error_of([&] { lines.record(0).text("image"); }, folder_.path() + "/"),
              "FOLDERa.jsonl:1: \"image\" holds the character 0: \"a\\x00b\"");
}

/// The rule by which the built-in datasets read labels.
TEST_F(RecordSourceTest, IntegersAreReadAsLabelsAre) {
    const auto read = [&](const std::string& name, const std::string& bytes) {
        folder_.write(name, bytes);
        return name.ends_with(".csv") ? CsvTable({folder_.path(name)}).record(0).integer("label")
                                      : JsonLines({folder_.path(name)}).record(0).integer("label");
    };
    for (const char* written : {"2", "2.0", "2 ", " 2", "+2", "2e0", "20e-1", "\t2.", "+2.0"})
        EXPECT_EQ(read("a.csv", concat("label,x\n", written, ",1\n")), 2) << written;
    EXPECT_EQ(read("a.csv", "label,x\n-9223372036854775808,1\n"),
              std::numeric_limits<int64_t>::min());
    for (const char* written : {"2", "2.0", "\"2.0\"", "2e0", "\" 2\""})
        EXPECT_EQ(read("a.jsonl", concat("{\"label\": ", written, "}\n")), 2) << written;
    EXPECT_EQ(read("a.jsonl", "{\"label\": true}\n"), 1);
    for (const char* written : {"2.5", "", " ", "nan", "inf", "0x10", "2 3", "++2", "+-2", "1e30",
                                "9223372036854775808", "cat"})
        EXPECT_THROW(read("a.csv", concat("label,x\n", written, ",1\n")), BrokenSample) << written;
}

TEST_F(RecordSourceTest, NumbersMayHaveBlanksAroundThem) {
    folder_.write("a.csv", "x,y\n 2.5 ,1e3 \n");
    const CsvTable table({folder_.path("a.csv")});
    EXPECT_EQ(table.record(0).number("x"), 2.5);
    EXPECT_EQ(table.record(0).number("y"), 1000);
}

TEST_F(RecordSourceTest, AnotherDelimiterIsToldOfOnce) {
    EXPECT_EQ(complaint<CsvTable>("a.csv", "a;b;label\n1,5;2;0\n2,5;3;1\n"),
              "FOLDERa.csv:2: expected 1 fields (a;b;label), got 2. If fields are separated by "
              "\";\", set delimiter: \";\"");
    folder_.write("b.csv", "a\tlabel\n1\t0\n");
    EXPECT_EQ(
        error_of([&] { CsvTable({folder_.path("b.csv")}).record(0).integer("label"); },
                 folder_.path() + "/"),
        "FOLDERb.csv:2: there is no \"label\"; there are: a\tlabel. If fields are separated by "
        "\"tab\", set delimiter: \"tab\"");
}

TEST_F(RecordSourceTest, TextLinesKeepBlanksInTheFirstColumn) {
    folder_.write("a.txt", "images/a b.jpg 3\n  c.jpg\t4  \n");
    const TextLines lines({folder_.path("a.txt")});
    ASSERT_EQ(lines.size(), 2);
    EXPECT_EQ(lines.record(0).text("path"), "images/a b.jpg");
    EXPECT_EQ(lines.record(0).integer("label"), 3);
    EXPECT_EQ(lines.record(1).text("path"), "c.jpg");
    EXPECT_EQ(lines.record(1).integer("label"), 4);
}

TEST_F(RecordSourceTest, TablesHaveQuotesAndTheirOwnColumns) {
    folder_.write("a.csv", "name,rooms,\"the price\"\n\"a, \"\"b\"\"\",3,1.5\nc,4,2e3\n");
    const CsvTable table({folder_.path("a.csv")});
    EXPECT_EQ(table.columns(), (std::vector<std::string>{"name", "rooms", "the price"}));
    ASSERT_EQ(table.size(), 2);
    EXPECT_EQ(table.record(0).text("name"), "a, \"b\"");
    EXPECT_EQ(table.record(0).number("the price"), 1.5);
    EXPECT_EQ(table.record(1).number("the price"), 2000);
    EXPECT_EQ(table.place(1), folder_.path("a.csv") + ":3");
    folder_.write("t.csv", "a\tb\n1\t2\n");
    EXPECT_EQ(CsvTable({folder_.path("t.csv"), "tab"}).record(0).integer("b"), 2);
}

TEST_F(RecordSourceTest, RefusedFiles) {
    EXPECT_EQ(error_of([&] { JsonLines({folder_.path("none.jsonl")}); }, folder_.path() + "/"),
              "FOLDERnone.jsonl cannot be read: No such file or directory");
    EXPECT_EQ(error_of([&] { JsonLines({folder_.path()}); }, folder_.path()),
              "FOLDER cannot be read: it is a folder");
    const std::string json = complaint<JsonLines>("a.jsonl", "{\"a\": 1}\n{\"a\": \n");
    EXPECT_EQ(json.find("FOLDERa.jsonl:2"), 0u) << json;
    EXPECT_EQ(complaint<JsonLines>("b.jsonl", "[1]\n"),
              "FOLDERb.jsonl:1: a line must be a JSON object, got a list of 1");
    EXPECT_EQ(complaint<TextLines>("a.txt", "a.jpg 1\nb.jpg\n"),
              "FOLDERa.txt:2: expected 2 words (path, label), got \"b.jpg\"");
    EXPECT_EQ(complaint<CsvTable>("a.csv", ""),
              "FOLDERa.csv is empty: its first line must name the columns");
    EXPECT_EQ(complaint<CsvTable>("b.csv", "a,b\n1\n2,3,4\n"),
              "FOLDERb.csv:2: expected 2 fields (a, b), got 1\n"
              "FOLDERb.csv:3: expected 2 fields (a, b), got 3");
    EXPECT_EQ(complaint<CsvTable>("c.csv", "a,a\n"), "FOLDERc.csv:1: two columns are named \"a\"");
    EXPECT_EQ(complaint<CsvTable>("d.csv", "a,b\n\"1,2\n").find("FOLDERd.csv:2: a quote"), 0u);
}

TEST_F(RecordSourceTest, ClassFoldersAreInTheOrderOfTheirNames) {
    for (const char* name :
         {"dog/b.JPG", "dog/a.png", "cat/sub/x.jpeg", "cat/notes.txt", "Ape/1.jpg"})
        folder_.write(name, "x");
    const ClassFolders folders({folder_.path()});
    EXPECT_EQ(folders.classes(), (std::vector<std::string>{"Ape", "cat", "dog"}));
    ASSERT_EQ(folders.size(), 4);
    EXPECT_EQ(folders.place(1), folder_.path("cat/sub/x.jpeg"));
    EXPECT_EQ(folders.record(2).text("path"), folder_.path("dog/a.png"));
    EXPECT_EQ(folders.record(2).text("class"), "dog");
    EXPECT_EQ(folders.label(3), 2);
}

TEST_F(RecordSourceTest, ClassFoldersWithoutFilesAreAMistake) {
    folder_.write("cat/a.jpg", "x");
    folder_.write("dog/a.txt", "x");
    EXPECT_EQ(error_of([&] { ClassFolders({folder_.path()}); }, folder_.path())
                  .find("FOLDER: no files of class dog. Files must end in one of jpg"),
              0u);
    EXPECT_EQ(ClassFolders({.root = folder_.path(), .allow_empty = true}).classes().size(), 2u);
    EXPECT_EQ(error_of([&] { ClassFolders({folder_.path("none")}); }, folder_.path() + "/"),
              "FOLDERnone does not exist: root is a folder that holds a folder a class");
    EXPECT_EQ(error_of([&] { ClassFolders({folder_.path("cat")}); }, folder_.path() + "/"),
              "FOLDERcat holds no folder: there must be one a class, with its images in it");
}

TEST_F(RecordSourceTest, LinksOfClassFolders) {
    folder_.write("cat/a.jpg", "x");
    const std::filesystem::path cat = folder_.path("cat");
    std::filesystem::create_symlink("b.jpg", cat / "b.jpg");        // to itself
    std::filesystem::create_symlink("nowhere.jpg", cat / "c.jpg");  // each a file that is broken
    std::filesystem::create_symlink("loop", folder_.path("loop"));
    folder_.write("elsewhere/more/d.jpg", "x");
    std::filesystem::create_directory_symlink("../elsewhere/more", cat / "more");
    const ClassFolders folders({folder_.path()});
    EXPECT_EQ(folders.classes(), (std::vector<std::string>{"cat", "elsewhere"}));
    EXPECT_EQ(folders.size(), 5);
    std::filesystem::create_directory_symlink("..", cat / "up");
    EXPECT_EQ(
        error_of([&] { ClassFolders({folder_.path()}); }, folder_.path() + "/"),
        "FOLDERcat/up/cat leads back, by a link, to a folder that it lies in; remove the link");
}

TEST_F(RecordSourceTest, CocoGroupsAnnotationsByImage) {
    folder_.write("coco.json", R"({
        "images": [{"id": 7, "file_name": "a.jpg", "height": 4, "width": 5},
                   {"id": 3, "file_name": "b.jpg", "height": 6, "width": 7}],
        "annotations": [{"id": 1, "image_id": 3, "category_id": 18, "bbox": [0, 1, 2, 3]},
                        {"id": 2, "image_id": 3, "category_id": 1, "bbox": [4, 1, 2, 3]}],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]})");
    const CocoJson coco({folder_.path("coco.json")});
    ASSERT_EQ(coco.size(), 2);
    EXPECT_EQ(coco.record(0).text("file_name"), "a.jpg");
    EXPECT_EQ(coco.record(0).node("annotations").items().size(), 0u);
    ASSERT_EQ(coco.record(1).node("annotations").items().size(), 2u);
    EXPECT_EQ(coco.categories()[1].name, "dog");
    folder_.write("bad.json",
                  R"({"images": [], "annotations": [{"image_id": 4}], "categories": []})");
    EXPECT_EQ(error_of([&] { CocoJson({folder_.path("bad.json")}); }, folder_.path() + "/"),
              "FOLDERbad.json: annotations[0] belongs to image 4, which is not among the images");
    folder_.write("none.json", R"({"images": []})");
    EXPECT_EQ(error_of([&] { CocoJson({folder_.path("none.json")}); }, folder_.path() + "/"),
              "FOLDERnone.json has no list \"categories\", as COCO's files have");
}

TEST_F(RecordSourceTest, VocHasAFileAnImage) {
    folder_.write("ImageSets/Main/train.txt", "000001\n000002  1\n");
    folder_.write("Annotations/000001.xml",
                  "<annotation><filename>000001.jpg</filename><size><width>5</width>"
                  "<height>4</height></size><object><name>dog</name><difficult>1</difficult>"
                  "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"
                  "</object></annotation>");
    folder_.write("Annotations/000002.xml", "<annotation></annotation>");
    const VocXml voc({folder_.path()});
    ASSERT_EQ(voc.size(), 2);
    const Record record = voc.record(0);
    EXPECT_EQ(record.text("path"), folder_.path("JPEGImages/000001.jpg"));
    EXPECT_EQ(record.integer("width"), 5);
    const Node& object = record.node("objects").items().at(0);
    EXPECT_EQ(object.find("name")->as_string(), "dog");
    EXPECT_TRUE(object.find("difficult")->as_bool());
    EXPECT_EQ(object.find("ymax")->as_float(), 4);
    EXPECT_THROW(voc.record(1), BrokenSample);
}

/// A user's dataset: a table, regression.
class Prices final : public StoredDataset<CsvTable, Regression> {
  public:
    explicit Prices(const Options& options) : StoredDataset(options) {}

  protected:
    Regression make(const Record& row, const SampleContext&) const override {
        return {.input = at::tensor({row.number("rooms"), row.number("area")}),
                .target = at::tensor(row.number("price"))};
    }
};

TEST_F(RecordSourceTest, AUsersDatasetWritesOnlyHowARecordBecomesASample) {
    folder_.write("a.csv", "rooms,area,price\n3,70.5,100\n4,x,120\n");
    const Prices prices({folder_.path("a.csv")});
    EXPECT_EQ(prices.fields(), (std::vector<std::string>{"input", "target"}));
    const Sample sample = prices.get(0, {});
    EXPECT_EQ(sample.tensor("input").sizes(), at::IntArrayRef({2}));
    EXPECT_EQ(sample.tensor("target").item<double>(), 100);
    EXPECT_EQ(error_of([&] { prices.get(1, {}); }, folder_.path() + "/"),
              "FOLDERa.csv:3: \"area\" must be a number, got the string \"x\"");
}

/// Sentences of a text file by the number of their letters and words.
class Sentences final : public StoredDataset<TextLines, TextClassification> {
  public:
    explicit Sentences(const Options& options) : StoredDataset(options) {}

  protected:
    TextClassification make(const Record& line, const SampleContext&) const override {
        return {.text = line.text("path"), .label = line.integer("label")};
    }
};

TEST_F(RecordSourceTest, ATextFileForClassification) {
    folder_.write("a.txt", "a good film 1\nnot good at all 0\n");
    const Sentences sentences({folder_.path("a.txt")});
    EXPECT_EQ(sentences.fields(), (std::vector<std::string>{"text", "label"}));
    const Batch batch = sentences.collate({sentences.get(0, {}), sentences.get(1, {})});
    EXPECT_EQ(batch.strings("text"), (std::vector<std::string>{"a good film", "not good at all"}));
    EXPECT_TRUE(at::equal(batch.tensor("label"), at::tensor({1, 0}, at::kLong)));
}

/// Images with a mask each, whose palette numbers are the classes.
class Masks final : public StoredDataset<CsvTable, Segmentation> {
  public:
    explicit Masks(const Options& options) : StoredDataset(options) {}

  protected:
    Segmentation make(const Record& row, const SampleContext& context) const override {
        return {.image = images_.open(row.text("image"), context),
                .mask = masks_.open(row.text("mask"), context)};
    }

  private:
    const ImageReader images_;
    const ImageReader masks_{ImageMode::unchanged};
};

TEST_F(RecordSourceTest, ATableForSegmentation) {
    const at::Tensor mask = at::tensor({0, 1, 2, 255}, at::kByte).view({1, 2, 2});
    const std::string image = folder_.write("a.png", encode_png(at::full({3, 2, 2}, 9, at::kByte)));
    const std::string truth = folder_.write("m.png", encode_png(mask));
    folder_.write("a.csv", "image,mask\n" + image + "," + truth + "\n");
    const Masks masks({folder_.path("a.csv")});
    Sample sample = masks.get(0, {});
    EXPECT_TRUE(at::equal(sample.tensor("mask"), mask));
    EXPECT_EQ(sample.tensor("image").sizes(), at::IntArrayRef({3, 2, 2}));
}

}  // namespace
}  // namespace ailab
