// What ranks compare of their data: the same data give the same digest wherever they lie, other
// data another one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::make;

/// A folder of data, and how it may differ from another.
class DataDigests : public testing::Test {
  protected:
    struct Copy {
        TemporaryFolder folder;

        Copy() {
            image("pets/cat/1.png", 1);
            image("pets/dog/1.png", 2);
            image("pets/dog/2.png", 3);
            folder.write("a.csv", "image,label\npets/cat/1.png,0\npets/dog/1.png,1\n");
            folder.write("a.txt", "pets/cat/1.png cat\npets/dog/1.png dog\n");
            image("t0.png", 4);
            image("t1.png", 5);
            folder.write("t0.cls", "0");
            folder.write("t1.cls", "1");
            pack("t0.png t0.cls t1.png t1.cls");
            folder.write("images", std::string("\0\0\x8\3\0\0\0\2\0\0\0\1\0\0\0\1", 16) + "ab");
            folder.write("labels", std::string("\0\0\x8\1\0\0\0\2\0\1", 10));
        }
        void image(const std::string& name, int64_t value) {
            folder.write(name, encode_png(at::full({3, 2, 2}, value, at::kByte)));
        }
        void pack(const std::string& files) {
            const std::string command =
                concat("cd ", folder.path(), " && tar --mtime=@0 -cf s.tar ", files);
            ASSERT_EQ(std::system(command.c_str()), 0);
        }
        DataDigest digest(std::string json) {
            for (size_t at; (at = json.find("FOLDER")) != std::string::npos;)
                json.replace(at, 6, folder.path());
            return make<Dataset>(json)->digest();
        }
    };
};

const char* const folders = R"({"type": "ImageFolder", "root": "FOLDER/pets"})";
const char* const table =
    R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.csv",
                              "img_prefix": "FOLDER"})";
const char* const lines =
    R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.txt",
                              "img_prefix": "FOLDER"})";
const char* const shards = R"({"type": "TarShards", "shards": ["FOLDER/s.tar"]})";
const char* const idx = R"({"type": "IDX", "images": "FOLDER/images", "labels": "FOLDER/labels"})";
const std::string subset =
    R"({"type": "Subset", "indices": [1], "dataset": )" + std::string(folders) + "}";
const std::string joined = R"({"type": "Concat", "datasets": [)" + std::string(folders) + ", " +
                           std::string(folders) + "]}";
const char* const transformed =
    R"({"type": "Repeat", "dataset": {"type": "ImageFolder", "root": "FOLDER/pets",
        "transforms": [{"type": "ToTensor"}]}})";

TEST_F(DataDigests, AreTheSameWhereverTheDataLie) {
    Copy one, other;
    for (const std::string& json :
         {std::string(folders), std::string(table), std::string(lines), std::string(shards),
          std::string(idx), subset, joined, std::string(transformed)}) {
        SCOPED_TRACE(json);
        EXPECT_EQ(one.digest(json), other.digest(json));
        EXPECT_FALSE(one.digest(json).empty());
    }
}

TEST_F(DataDigests, TellWhatDiffers) {
    using Change = std::function<void(Copy&)>;
    const auto remove = [](const char* name) {
        return [name](Copy& copy) { std::filesystem::remove_all(copy.folder.path(name)); };
    };
    const auto rename = [](const char* from, const char* to) {
        return [from, to](Copy& copy) {
            std::filesystem::rename(copy.folder.path(from), copy.folder.path(to));
        };
    };
    const auto write = [](const char* name, const std::string& bytes) {
        return [name, bytes](Copy& copy) { copy.folder.write(name, bytes); };
    };
    const struct {
        std::string json;
        Change change;
        std::vector<std::string> facts;
    } rows[] = {
        {folders, remove("pets/dog/2.png"), {"samples", "labels", "files"}},
        {folders, rename("pets/dog", "pets/ape"), {"class names", "labels", "files"}},
        {folders, rename("pets/dog/2.png", "pets/dog/3.png"), {"files"}},
        {table,
         write("a.csv", "image,label\npets/dog/1.png,1\npets/cat/1.png,0\n"),
         {"labels", "a.csv"}},
        {table, write("a.csv", "image,label\npets/cat/1.png,0\n"), {"samples", "labels", "a.csv"}},
        {table, write("a.csv", "image,label\npets/cat/1.png,0\npets/dog/2.png,1\n"), {"a.csv"}},
        {lines,
         write("a.txt", "pets/cat/1.png cat\npets/dog/1.png ape\n"),
         {"class names", "labels", "a.txt"}},
        {shards,
         [](Copy& copy) { copy.pack("t0.png t0.cls"); },
         {"samples", "labels", "sample names"}},
        {shards,
         [](Copy& copy) { copy.pack("t1.png t1.cls t0.png t0.cls"); },
         {"labels", "sample names"}},
        {shards,
         [](Copy& copy) {
             copy.folder.write("more", std::string(20000, 'x'));
             copy.pack("t0.png t0.cls t1.png t1.cls more");
         },
         {"sizes of shards"}},
        {idx, write("labels", std::string("\0\0\x8\1\0\0\0\2\1\0", 10)), {"labels"}},
        {subset, remove("pets/dog/2.png"), {"files", "samples"}},
        {joined, remove("pets/dog/2.png"), {"datasets[1], samples"}},
        {transformed, rename("pets/dog/2.png", "pets/dog/3.png"), {"files"}},
    };
    int number = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(concat("row ", number++, ": ", row.json));
        Copy one, other;
        row.change(other);
        const DataDigest a = one.digest(row.json), b = other.digest(row.json);
        for (const std::string& fact : row.facts) {
            ASSERT_TRUE(a.count(fact)) << fact;
            EXPECT_NE(a.at(fact), b.count(fact) ? b.at(fact) : "") << fact;
        }
    }
}

TEST_F(DataDigests, TellWhichSamplesWereChosen) {
    Copy copy;
    std::string others = subset;
    others.replace(others.find("[1]"), 3, "[2]");
    const DataDigest a = copy.digest(subset), b = copy.digest(others);
    EXPECT_NE(a.at("chosen samples"), b.at("chosen samples"));
}

/// A data set of a user's own.
class OwnData : public Dataset {
  public:
    explicit OwnData(std::vector<std::string> names) : names_(std::move(names)) {}
    int64_t size() const override { return int64_t(names_.size()); }
    std::string sample_name(int64_t i) const override { return names_[size_t(i)]; }

  private:
    const std::vector<std::string> names_;
};

TEST_F(DataDigests, NamesOfSamplesAreComparedWithoutTheFolderThatAllAreIn) {
    const auto digest = [](std::vector<std::string> names) {
        return OwnData(std::move(names)).digest();
    };
    EXPECT_EQ(digest({"/a/b/1", "/a/b/c/2"}), digest({"/x/1", "/x/c/2"}));
    EXPECT_EQ(digest({"/a/b/1"}), digest({"1"}));
    EXPECT_NE(digest({"/a/b/1", "/a/c/2"}), digest({"/a/b/1", "/a/b/2"}));
    EXPECT_NE(digest({"1", "2"}), digest({"2", "1"}));
    EXPECT_NE(digest({"1", "23"}), digest({"12", "3"}));
    EXPECT_EQ(digest({"", ""}), (DataDigest{{"samples", "2"}}));
}

TEST_F(DataDigests, AUsersDataSetMaySayItself) {
    class Own final : public OwnData {
      public:
        using OwnData::OwnData;
        DataDigest digest() const override {
            DataDigest digest = digest_without_names();
            digest["table"] = "12 columns";
            return digest;
        }
    };
    EXPECT_EQ(Own({"a"}).digest(), (DataDigest{{"samples", "1"}, {"table", "12 columns"}}));
}

}  // namespace
}  // namespace ailab
