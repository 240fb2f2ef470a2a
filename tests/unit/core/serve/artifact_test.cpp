// An artifact says what was put in it, and every byte of it is guarded.
#include "serve/artifact.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "ailab/error.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

ServedSpec example_spec() {
    ServedSpec spec;
    spec.model.set("type", Node::string("net"));
    spec.dtype = "float64";
    spec.channels_last = false;
    spec.autocast = at::kBFloat16;
    spec.classes = {"cat", "dög \"quoted\""};
    spec.output = OutputKind::label_scores;
    spec.input_shape = {3, 8, 8};
    spec.image = ImageInput{.field = "image", .reader = {.color = "gray"}};
    spec.image->transforms.items().push_back(Node::string("x"));
    spec.plugins = {{"mine", "1.2", "abcdef", "libmine.so", false}};
    spec.config.set("seed", Node(int64_t(3)));
    return spec;
}

class ArtifactTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_artifact_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        path_ = (folder_ / "model.ailab").string();
        write_artifact(path_, example_spec(),
                       {{"w", torch::arange(1000, at::kFloat)}, {"n", torch::tensor(7)}},
                       /*with_plugins=*/false);
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string refusal() const {
        try {
            read_artifact_spec(path_);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    fs::path folder_;
    std::string path_;
};

TEST_F(ArtifactTest, SaysWhatWasPutIn) {
    const ServedSpec spec = read_artifact_spec(path_), wanted = example_spec();
    EXPECT_EQ(to_node(spec).flow(), to_node(wanted).flow());
    EXPECT_TRUE(is_artifact(path_));
    // Any reader of safetensors has the weights.
    for (const auto& [name, tensor] : read_safetensors(path_))
        EXPECT_EQ(tensor.numel(), name == "w" ? 1000 : 1) << name;
}

TEST_F(ArtifactTest, EveryByteIsGuarded) {
    std::ifstream in(path_, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    std::mt19937 random(5);
    for (int i = 0; i < 1000; ++i) {
        std::string bytes = whole;
        const size_t place = random() % bytes.size();
        bytes[place] = char(bytes[place] ^ char(1 + random() % 255));
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
        EXPECT_NE(refusal(), "") << "byte " << place;
    }
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << whole;
    EXPECT_EQ(refusal(), "");
}

TEST_F(ArtifactTest, NoSingleBitOfItsSpecCanChange) {
    std::ifstream in(path_, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    const size_t head = whole.find("\"n\":{");  // behind the metadata
    ASSERT_NE(head, std::string::npos);
    for (size_t byte = 0; byte < head; ++byte)
        for (int bit = 0; bit < 8; ++bit) {
            std::string bytes = whole;
            bytes[byte] = char(bytes[byte] ^ (1 << bit));
            std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
            ASSERT_NE(refusal(), "") << "bit " << bit << " of byte " << byte;
        }
}

TEST_F(ArtifactTest, ASpecThatNoExportWritesIsRefused) {
    const auto write = [&](const std::function<void(ServedSpec&)>& change) {
        ServedSpec spec = example_spec();
        change(spec);
        write_artifact(path_, spec, {{"w", torch::ones({2})}}, /*with_plugins=*/false);
        return refusal();
    };
    const auto remove = [&] { fs::remove(path_); };
    remove();
    EXPECT_EQ(write([](ServedSpec& spec) { spec.dtype = "int4"; }),
              path_ + ": \"dtype\" is \"int4\", and must be one of \"float32\", \"float64\"");
    remove();
    EXPECT_EQ(write([](ServedSpec& spec) {
                  spec.input_shape = {3, -8, 8};
              }),
              path_ + ": \"input_shape\" has the size -8");
    remove();
    EXPECT_EQ(write([](ServedSpec&) {}), "");
}

TEST_F(ArtifactTest, WhatIsCutOrGrownIsDamaged) {
    std::ifstream in(path_, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    for (const std::string& bytes :
         {whole.substr(0, whole.size() - 1), whole.substr(0, 100), std::string(), whole + "x"}) {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
        EXPECT_NE(refusal(), "") << bytes.size();
    }
}

TEST_F(ArtifactTest, AnotherSafetensorsFileIsNone) {
    const std::string other = (folder_ / "weights.safetensors").string();
    write_safetensors(other, {{"w", torch::ones({2})}});
    EXPECT_FALSE(is_artifact(other));
    try {
        read_artifact_spec(other);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("is no artifact"), std::string::npos);
    }
}

}  // namespace
}  // namespace ailab
