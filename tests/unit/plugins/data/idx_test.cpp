// IDX files: both paths give one set of numbers, and wrong files are refused with their names.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using test::error_of;
using test::make;

std::string big_endian(int64_t value) {
    std::string text;
    for (int shift : {24, 16, 8, 0}) text += char(value >> shift);
    return text;
}

std::string images(int64_t n, int64_t h, int64_t w) {
    std::string text("\0\0\x08\x03", 4);
    text += big_endian(n) + big_endian(h) + big_endian(w);
    for (int64_t i = 0; i < n * h * w; ++i) text += char((i * 37) % 256);
    return text;
}

std::string labels(const std::string& values) {
    return std::string("\0\0\x08\x01", 4) + big_endian(int64_t(values.size())) + values;
}

std::string gzip(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(text.size() + 1000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = uInt(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = uInt(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

class IdxTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_idx_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    void put(const std::string& name, const std::string& bytes) {
        std::ofstream(folder_ / name, std::ios::binary) << bytes;
    }
    std::shared_ptr<Dataset> open(const std::string& more = "") {
        return make<Dataset>(R"({"type": "IDX", "images": ")" + (folder_ / "i").string() +
                             R"(", "labels": ")" + (folder_ / "l").string() + "\"" + more + "}");
    }
    std::string complaint(const std::string& more = "") {
        std::string text = error_of([&] { open(more); });
        for (size_t at; (at = text.find(folder_.string() + "/")) != std::string::npos;)
            text.erase(at, folder_.string().size() + 1);
        return text;
    }

    fs::path folder_;
};

TEST_F(IdxTest, GivesOneSetOfNumbersByBothPaths) {
    const std::string image_bytes = images(5, 3, 4), label_bytes = labels("\0\1\2\3\1"s);
    for (const bool packed : {false, true}) {
        put("i", packed ? gzip(image_bytes) : image_bytes);
        put("l", packed ? gzip(label_bytes) : label_bytes);
        const auto data = open(R"(, "mean": 0.2860, "std": 0.3530, "num_classes": 4)");
        ASSERT_EQ(data->size(), 5);
        EXPECT_EQ(data->num_classes(), 4);
        EXPECT_EQ(data->fields(), (std::vector<std::string>{"input", "target"}));
        ASSERT_TRUE(data->has_batches());
        Batch batch;
        const std::vector<int64_t> indices = {4, 0, 2};
        data->get_batch(indices, {}, batch);
        const Tensor input = batch.tensor("input"), target = batch.tensor("target");
        ASSERT_EQ(input.sizes(), (at::IntArrayRef{3, 1, 3, 4}));
        EXPECT_EQ(input.strides(), (at::IntArrayRef{12, 1, 4, 1})) << "truly channels_last";
        EXPECT_EQ(input.scalar_type(), at::kFloat);
        EXPECT_TRUE(target.equal(torch::tensor({1, 0, 2}, at::kLong)));
        for (size_t i = 0; i < indices.size(); ++i) {
            const Sample sample = data->get(indices[i], {});
            EXPECT_TRUE(sample.tensor("input").equal(input[int64_t(i)]));
            EXPECT_TRUE(sample.tensor("target").equal(target[int64_t(i)]));
        }
        // Pixel by pixel as torchvision's ToTensor and Normalize compute it.
        for (int64_t p = 0; p < 12; ++p) {
            const auto byte = float((12 * 4 + p) * 37 % 256);
            EXPECT_EQ(input[0].flatten()[p].item<float>(), (byte / 255.0F - 0.2860F) / 0.3530F);
        }
        // The memory of an earlier batch is used again when nobody holds it.
        const void* memory = input.const_data_ptr();
        const_cast<Tensor&>(input).reset();
        data->get_batch(indices, {}, batch);
        EXPECT_EQ(batch.tensor("input").const_data_ptr(), memory);
    }
}

TEST_F(IdxTest, FindsTheFilesOfAFolder) {
    put("train-images-idx3-ubyte", images(3, 2, 2));
    put("train-labels-idx1-ubyte.gz", gzip(labels("\0\1\2"s)));
    put("t10k-images-idx3-ubyte.gz", gzip(images(2, 2, 2)));
    put("t10k-labels-idx1-ubyte.gz", gzip(labels("\1\1"s)));
    const std::string root = R"({"type": "IDX", "root": ")" + folder_.string() + "\"";
    EXPECT_EQ(make<Dataset>(root + "}")->size(), 3);
    EXPECT_EQ(make<Dataset>(root + R"(, "train": false})")->size(), 2);
    EXPECT_EQ(make<Dataset>(root + R"(, "limit": 2})")->size(), 2);
    EXPECT_EQ(make<Dataset>(root + R"(, "limit": 9})")->size(), 3);
    EXPECT_EQ(make<Dataset>(root + "}")->num_classes(), std::nullopt);
    fs::remove(folder_ / "train-images-idx3-ubyte");
    const std::string path = folder_ / "train-images-idx3-ubyte";
    EXPECT_NE(error_of([&] {
                  make<Dataset>(root + "}");
              }).find("neither " + path + " nor " + path + ".gz exists"),
              std::string::npos);
}

TEST_F(IdxTest, RefusesWrongFiles) {
    const std::string good_images = images(3, 2, 2), good_labels = labels("\0\1\2"s);
    auto cut = [](const std::string& text, size_t by) { return text.substr(0, text.size() - by); };
    std::string damaged = gzip(good_images);
    damaged[damaged.size() - 6] = char(damaged[damaged.size() - 6] ^ 1);  // its checksum
    struct Case {
        std::string image_file, label_file, more, complaint;
    };
    const std::vector<Case> table = {
        {good_images, good_labels, "", ""},
        {cut(good_images, 1), good_labels, "",
         "i is truncated: got 11 bytes of data, expected 12. Fetch the file again"},
        {good_images + "x", good_labels, "",
         "i: got 13 bytes of data, expected 12. Fetch the file again"},
        {gzip(cut(good_images, 1)), good_labels, "",
         "i is truncated: got 11 bytes of data, expected 12. Fetch the file again"},
        {gzip(good_images + "x"), good_labels, "",
         "i: got more bytes of data than the expected 12. Fetch the file again"},
        {cut(gzip(good_images), 10), good_labels, "", "i is truncated: got "},
        {cut(gzip(good_images), 4), good_labels, "",
         "cannot read i: unexpected end of file. Fetch the file again"},
        {damaged, good_labels, "", "cannot read i: incorrect data check. Fetch the file again"},
        // With a limit too a broken download is noticed, whatever number of items is taken.
        {gzip(good_images), good_labels, R"(, "limit": 2)", ""},
        {gzip(good_images.substr(0, 20)) + gzip(good_images.substr(20)), good_labels,
         R"(, "limit": 2)", ""},
        {gzip(cut(good_images, 1)), good_labels, R"(, "limit": 2)",
         "i is truncated: got 11 bytes of data, expected 12. Fetch the file again"},
        {gzip(good_images + "x"), good_labels, R"(, "limit": 2)",
         "i: got more bytes of data than the expected 12. Fetch the file again"},
        {cut(gzip(good_images), 10), good_labels, R"(, "limit": 1)", "i is truncated: got "},
        {cut(gzip(good_images), 1), good_labels, R"(, "limit": 2)",
         "cannot read i: unexpected end of file. Fetch the file again"},
        {damaged, good_labels, R"(, "limit": 3)",
         "cannot read i: incorrect data check. Fetch the file again"},
        {good_images.substr(0, 10), good_labels, "",
         "i is truncated: got 10 bytes, its header has 16. Fetch the file again"},
        {"", good_labels, "", "i is no IDX file of images: got the magic 0x, expected 0x00000803"},
        {"PNG, perhaps", good_labels, "",
         "i is no IDX file of images: got the magic 0x504e472c, expected 0x00000803"},
        {good_labels, good_labels, "",
         "i is no IDX file of images: got the magic 0x00000801, expected 0x00000803"},
        {good_images, good_images, "",
         "l is no IDX file of labels: got the magic 0x00000803, expected 0x00000801"},
        {good_images, cut(good_labels, 1), "",
         "l is truncated: got 2 bytes of data, expected 3. Fetch the file again"},
        {good_images, labels("\0\1"s), "",
         "the counts of images and labels differ: i has 3 images, l has 2 labels"},
        {good_images, labels("\0\1"s), R"(, "limit": 2)",
         "the counts of images and labels differ: i has 3 images, l has 2 labels"},
        // A label may be what the loss ignores: the run looks at it.
        {good_images, good_labels, R"(, "num_classes": 2)", ""},
        {std::string("\0\0\x08\x03", 4) + std::string(12, '\xff'), good_labels, "",
         "i: the sizes in its header overflow"},
        {images(3, 0, 2), good_labels, "", "i: the sizes in its header make no sense"},
    };
    for (const Case& c : table) {
        put("i", c.image_file);
        put("l", c.label_file);
        const std::string found = complaint(c.more);
        if (c.complaint.empty())
            EXPECT_EQ(found, "");
        else
            EXPECT_NE(found.find(c.complaint), std::string::npos)
                << "expected: " << c.complaint << "\nfound:    " << found;
    }
}

// A mistake of the option that names the file, with its place.
TEST_F(IdxTest, RefusesAFileThatIsNotThere) {
    const std::string root = folder_.string();
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"("root": ")" + root + R"(")", "IDX: neither " + root + "/train-images-idx3-ubyte nor " +
                                             root +
                                             "/train-images-idx3-ubyte.gz exists. Check root"},
        {R"("images": "/nowhere/i", "labels": "/nowhere/l")",
         "IDX: cannot open /nowhere/i: No such file or directory"},
    };
    for (const auto& [options, expected] : table) {
        try {
            make<Dataset>(R"({"type": "IDX", )" + options + "}");
            ADD_FAILURE() << "accepted " << options;
        } catch (const ConfigError& error) {
            ASSERT_EQ(error.problems().size(), 1u);
            EXPECT_EQ(error.problems()[0].text, expected);
            EXPECT_EQ(error.problems()[0].place.str(), "test");
        }
    }
}

TEST_F(IdxTest, ChecksItsOptions) {
    EXPECT_NE(error_of([] {
                  make<Dataset>(R"({"type": "IDX"})");
              }).find("give either root, or images and labels"),
              std::string::npos);
    EXPECT_NE(error_of([] {
                  make<Dataset>(R"({"type": "IDX", "images": "a"})");
              }).find("images and labels go together"),
              std::string::npos);
    EXPECT_THROW(make<Dataset>(R"({"type": "IDX", "root": "a", "std": 0})"), ConfigError);
}

TEST_F(IdxTest, KnowsItsLabelsAndWhereTheyStand) {
    put("i", images(4, 2, 2));
    put("l", labels("\3\0\3\xff"s));
    const std::string json = R"({"type": "IDX", "images": ")" + (folder_ / "i").string() +
                             R"(", "labels": ")" + (folder_ / "l").string() + "\"";
    const auto data = make<Dataset>(json + "}");
    EXPECT_EQ(data->labels(), (std::vector<int64_t>{3, 0, 3, 255}));
    EXPECT_EQ(data->label_place(1), (folder_ / "l").string() + ", label 1");
    EXPECT_EQ(make<Dataset>(json + R"(, "limit": 2})")->labels(), (std::vector<int64_t>{3, 0}));
    const auto balanced = make<Dataset>(
        R"({"type": "ClassBalanced", "oversample_thr": 1, "dataset": )" + json + "}}");
    EXPECT_EQ(balanced->labels(), (std::vector<int64_t>{3, 3, 0, 0, 3, 3, 255, 255}));
}

TEST(Samplers, DealEverySampleOnce) {
    struct Five final : Dataset {
        int64_t size() const override { return 50; }
    };
    const Five data;
    std::vector<int64_t> in_order(50);
    std::iota(in_order.begin(), in_order.end(), 0);
    for (const char* json :
         {R"({"type": "SequentialSampler"})", R"({"type": "DefaultSampler", "shuffle": false})"}) {
        const auto sampler = make<Sampler>(json);
        EXPECT_EQ(sampler->order(data, 1, 2), in_order);
        EXPECT_EQ(sampler->size(data), 50);
    }
    const auto sampler = make<Sampler>(R"({"type": "DefaultSampler"})");
    const std::vector<int64_t> first = sampler->order(data, 1, 0);
    EXPECT_EQ(first, permutation(50, 1, 0));
    EXPECT_EQ(first, sampler->order(data, 1, 0)) << "a function of (seed, epoch)";
    EXPECT_NE(first, sampler->order(data, 1, 1));
    EXPECT_NE(first, sampler->order(data, 2, 0));
    std::vector<int64_t> sorted = first;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, in_order);
}

}  // namespace
}  // namespace ailab
