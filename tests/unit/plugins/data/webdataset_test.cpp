// Archives and folders as they lie around: the samples are those of webdataset and torchvision
// (tests/reference/tar_shards.py and image_folder.py).
#include <gtest/gtest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::make;

json reference(const std::string& name) {
    std::ifstream file(std::string(AILAB_REFERENCE) + "/" + name + ".json");
    return json::parse(file);
}

std::string unpacked(const std::string& hex) {
    std::string packed;
    for (size_t i = 0; i < hex.size(); i += 2)
        packed += char(std::stoi(hex.substr(i, 2), nullptr, 16));
    std::string bytes(size_t(16) << 20, '\0');
    uLongf size = bytes.size();
    EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                         reinterpret_cast<const Bytef*>(packed.data()), packed.size()),
              Z_OK);
    bytes.resize(size);
    return bytes;
}

std::string archive(const std::string& name) {
    for (const json& row : reference("tar_shards"))
        if (row["name"] == name) return unpacked(row["archive"]);
    ADD_FAILURE() << "no case " << name;
    return "";
}

TEST(WebDataset, SamplesAreItsOwn) {
    const TemporaryFolder folder;
    for (const json& row : reference("tar_shards")) {
        SCOPED_TRACE(row["name"].get<std::string>());
        const std::string shard = folder.write("a.tar", unpacked(row["archive"]));
        const auto open = [&] {
            return make<Dataset>(R"({"type": "TarShards", "shards": [")" + shard + "\"]}");
        };
        if (row.contains("error")) {
            EXPECT_TRUE(test::contains(error_of(open, folder.path()),
                                       "FOLDER/a.tar: sample a0 comes twice"))
                << error_of(open);
            continue;
        }
        const auto data = open();
        const json& samples = row["samples"];
        ASSERT_EQ(data->size(), int64_t(samples.size()));
        for (int64_t i = 0; i < data->size(); ++i) {
            const json& wanted = samples[size_t(i)];
            const std::string name = data->sample_name(i);
            EXPECT_EQ(name.find(shard + "/" + wanted["key"].get<std::string>() + "."), 0u) << name;
            EXPECT_EQ(data->labels()[size_t(i)], wanted["label"].get<int64_t>());
            Sample sample = data->get(i, {});
            EXPECT_EQ(sample.tensor("input")[0][0][0].item<int64_t>(), wanted["pixel"]);
        }
    }
}

TEST(WebDataset, EndingsOfTheConfigurationAreInAnyCaseToo) {
    const TemporaryFolder folder;
    const std::string shard = folder.write("a.tar", archive("endings in any case"));
    const auto data = make<Dataset>(
        R"({"type": "TarShards", "image_keys": ["PNG"], "label_key": "Cls", "shards": [")" + shard +
        "\"]}");
    EXPECT_EQ(data->size(), 2);
}

TEST(WebDataset, RefusedArchives) {
    const TemporaryFolder folder;
    const std::string description = archive("descriptions");
    const auto gzip = [](const std::string& bytes) {
        std::string packed(bytes.size() + 1024, '\0');
        z_stream stream{};
        EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream.avail_in = uInt(bytes.size());
        stream.next_out = reinterpret_cast<Bytef*>(packed.data());
        stream.avail_out = uInt(packed.size());
        EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
        packed.resize(stream.total_out);
        deflateEnd(&stream);
        return packed;
    };
    const std::string sparse = archive("sparse, pax 0.1");
    const size_t map = sparse.find("GNU.sparse.map=");
    ASSERT_NE(map, std::string::npos);
    std::string large_map = sparse, broken_map = sparse;
    large_map[sparse.rfind(',', sparse.find('\n', map)) + 1] = '9';
    broken_map[map + 16] = 'x';
    const struct {
        const char* name;
        std::string bytes;
        const char* text;
    } rows[] = {
        {"a.tar.gz", gzip(description), "FOLDER/a.tar.gz is compressed (gzip). Samples are read"},
        {"long.tar", gzip(std::string(4000, 'x') + description.substr(0, 9000)),
         "FOLDER/long.tar is compressed (gzip)"},
        {"b.tar", "\x28\xb5\x2f\xfd rest", "FOLDER/b.tar is compressed (zstd)"},
        {"c.tar",
         std::string(2000, 'c').replace(0, 5,
                                        "\xfd"
                                        "7zXZ"),
         "c.tar is compressed (xz)"},
        {"d.tar", large_map, "FOLDER/d.tar: the map of the sparse file a0.png is damaged"},
        {"f.tar", broken_map, "FOLDER/f.tar: the pax header before byte "},
    };
    for (const auto& row : rows) {
        const std::string shard = folder.write(row.name, row.bytes);
        const std::string text = error_of(
            [&] { make<Dataset>(R"({"type": "TarShards", "shards": [")" + shard + "\"]}"); },
            folder.path());
        EXPECT_NE(text.find(row.text), std::string::npos) << text;
    }
    const std::string shard = folder.write("e.tar", description);
    const std::string text = error_of(
        [&] {
            make<Dataset>(R"({"type": "TarShards", "image_keys": ["tif"], "label_key": "class",
                              "shards": [")" +
                          shard + "\"]}");
        },
        folder.path());
    EXPECT_TRUE(
        test::contains(text, "FOLDER/e.tar holds no sample: no file in it ends in tif or class"))
        << text;
}

class ImageFolderOrder : public testing::Test {
  protected:
    void SetUp() override {
        for (const json& name : wanted["names"]) folder.write(name, "x");
    }
    void expect_the_reference() {
        const auto data =
            make<Dataset>(R"({"type": "ImageFolder", "root": ")" + folder.path() + "\"}");
        EXPECT_EQ(json(data->class_names()), wanted["classes"]);
        json samples = json::array();
        for (int64_t i = 0; i < data->size(); ++i)
            samples.push_back(
                {data->sample_name(i).substr(folder.path().size() + 1), data->labels()[size_t(i)]});
        EXPECT_EQ(samples, wanted["samples"]);
    }
    const json wanted = reference("image_folder");
    TemporaryFolder folder;
};

TEST_F(ImageFolderOrder, IsTorchvisions) {
    expect_the_reference();
}

TEST_F(ImageFolderOrder, WhatToolsLeaveBehindIsNoDataAndNoClass) {
    for (const char* name :
         {".ipynb_checkpoints/a-checkpoint.png", ".git/a.png", "__MACOSX/cat/._z.png",
          "cat/.ipynb_checkpoints/z-checkpoint.png", "cat/__MACOSX/z.png", "cat/._z.png"})
        folder.write(name, "x");
    std::filesystem::create_directory(folder.path(".cache"));
    expect_the_reference();
}

}  // namespace
}  // namespace ailab
