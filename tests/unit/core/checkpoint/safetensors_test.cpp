// The safetensors format: what is written comes back, and what must be refused is.
#include "checkpoint/safetensors.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "failing_calls.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

class SafetensorsTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_safetensors_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        path_ = folder_ / "t.safetensors";
    }
    void TearDown() override { fs::remove_all(folder_); }

    /// Writes a file by hand.
    void put(const std::string& header, const std::string& data) {
        std::string length(8, '\0');
        for (int i = 0; i < 8; ++i) length[size_t(i)] = char(uint64_t(header.size()) >> (8 * i));
        put_raw(length + header + data);
    }
    void put_raw(const std::string& bytes) {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    }
    std::string refusal() {
        try {
            read_safetensors(path_);
        } catch (const Error& error) {
            std::string text = error.what();
            for (size_t at; (at = text.find(path_)) != std::string::npos;)
                text.replace(at, path_.size(), "FILE");
            return text;
        }
        return "accepted";
    }

    fs::path folder_;
    std::string path_;
};

void expect_same(const NamedTensors& found, const NamedTensors& expected) {
    ASSERT_EQ(found.size(), expected.size());
    const std::map<std::string, at::Tensor> by_name(found.begin(), found.end());
    for (const auto& [name, tensor] : expected) {
        ASSERT_TRUE(by_name.count(name)) << name;
        const at::Tensor& other = by_name.at(name);
        ASSERT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
        ASSERT_EQ(other.sizes(), tensor.sizes()) << name;
        if (tensor.numel() == 0) continue;
        const at::Tensor bytes = tensor.contiguous();
        EXPECT_EQ(std::memcmp(other.const_data_ptr(), bytes.const_data_ptr(), bytes.nbytes()), 0)
            << name;
    }
}

TEST_F(SafetensorsTest, BringsBackEveryDtypeAndShape) {
    NamedTensors tensors;
    for (at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong,
                                at::kInt, at::kShort, at::kChar, at::kByte, at::kBool, at::kUInt16,
                                at::kUInt32, at::kUInt64, at::kFloat8_e4m3fn, at::kFloat8_e5m2})
        tensors.emplace_back(c10::toString(type), torch::arange(0, 7, at::kFloat).to(type));
    tensors.emplace_back("scalar", torch::tensor(3.25));
    tensors.emplace_back("empty", torch::empty({0, 5}));
    tensors.emplace_back("also empty", torch::empty({0}, at::kLong));
    tensors.emplace_back("transposed", torch::rand({3, 4}).t());
    tensors.emplace_back("channels_last",
                         torch::rand({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast));
    tensors.emplace_back("requires_grad", torch::rand({2}).requires_grad_());
    tensors.emplace_back("nan", torch::full({3}, std::nan("")));
    tensors.emplace_back("name with \"quotes\" and 漢字", torch::rand({1}));
    const Metadata metadata = {{"format", "pt"}, {"note", "line\nbreak"}};
    const FileDigest digest = write_safetensors(path_, tensors, metadata);
    EXPECT_EQ(digest, digest_file(path_));
    EXPECT_EQ(digest.size, fs::file_size(path_));
    Metadata read_metadata;
    expect_same(read_safetensors(path_, &read_metadata), tensors);
    EXPECT_EQ(read_metadata, metadata);
}

TEST_F(SafetensorsTest, WritesTheBytesOfTheFormat) {
    write_safetensors(path_,
                      {{"b", torch::tensor({1, 2}, at::kByte)}, {"a", torch::tensor({1.0F})}});
    std::ifstream file(path_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    // The larger dtype first; the header padded with spaces to 8 bytes.
    const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";
    const size_t padded = (header.size() + 7) / 8 * 8;
    ASSERT_EQ(bytes.size(), 8 + padded + 6);
    EXPECT_EQ(size_t(bytes[0]), padded);
    EXPECT_EQ(bytes.substr(1, 7), std::string(7, '\0'));
    EXPECT_EQ(bytes.substr(8, header.size()), header);
    EXPECT_EQ(bytes.substr(8 + header.size(), padded - header.size()),
              std::string(padded - header.size(), ' '));
    EXPECT_EQ(bytes.substr(8 + padded), std::string("\x00\x00\x80\x3f\x01\x02", 6));
}

TEST_F(SafetensorsTest, WritesAnEmptyFile) {
    write_safetensors(path_, {});
    EXPECT_TRUE(read_safetensors(path_).empty());
}

TEST_F(SafetensorsTest, RefusesToWrite) {
    const std::vector<std::pair<NamedTensors, std::string>> table = {
        {{{"a", torch::rand({1})}, {"a", torch::rand({1})}}, "two tensors are named \"a\""},
        {{{"a", at::Tensor()}}, "tensor \"a\" is undefined"},
        {{{"a", torch::quantize_per_tensor(torch::rand({2}), 0.1, 0, at::kQInt8)}},
         "tensor \"a\" is QInt8, which safetensors files cannot hold"},
        {{{"a", torch::eye(2).to_sparse()}}, "tensor \"a\" is not dense"},
        {{{"__metadata__", torch::rand({1})}},
         "a tensor cannot be named __metadata__ in a safetensors file"},
    };
    for (const auto& [tensors, complaint] : table) {
        try {
            write_safetensors(path_, tensors);
            ADD_FAILURE() << "accepted: " << complaint;
        } catch (const Error& error) {
            EXPECT_EQ(error.what(), "cannot write " + path_ + ": " + complaint);
        }
        EXPECT_FALSE(fs::exists(path_));
        try {
            check_safetensors(tensors);
            ADD_FAILURE() << "accepted: " << complaint;
        } catch (const std::exception& error) {
            EXPECT_EQ(error.what(), complaint);
        }
    }
    // A name that is no UTF-8: the text is nlohmann's.
    EXPECT_THROW(write_safetensors(path_, {{"\xff", torch::rand({1})}}), Error);
}

TEST_F(SafetensorsTest, LeavesNoPartOfAFileOnAFullDisk) {
    const test::FailingCall full("write", 2, true);
    EXPECT_THROW(write_safetensors(path_, {{"a", torch::rand({4})}}), Error);
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SafetensorsTest, NeverWritesOverAFile) {
    put_raw("precious");
    try {
        write_safetensors(path_, {});
        FAIL() << "the file was replaced";
    } catch (const Error& error) {
        EXPECT_EQ(error.what(), "cannot create " + path_ + ": File exists");
    }
    EXPECT_EQ(fs::file_size(path_), 8u);
}

TEST_F(SafetensorsTest, RefusesToRead) {
    const std::string four(4, 'x');
    const std::string eight(8, 'x');
    struct Case {
        std::string header, data, complaint;
    };
    const std::vector<Case> table = {
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four, "accepted"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four + "y",
         "FILE has 1 bytes after its last tensor"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "xx",
         "FILE is truncated: its tensors take 4 bytes, 2 are there"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight,
         "FILE: tensor \"a\" begins at 4, after a hole; the one before ends at 0"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
         R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
         eight, "FILE: tensor \"b\" begins at 2, inside of the one before, which ends at 4"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
         R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
         eight, "FILE: the header has \"a\" twice"},
        {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": data_offsets [0,4] do not hold the 8 bytes of its shape"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four,
         "FILE: tensor \"a\": data_offsets [4,0] do not hold the 4 bytes of its shape"},
        {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "",
         "FILE: tensor \"a\": its size overflows"},
        {R"({"a":{"dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})", "",
         "FILE: tensor \"a\": its size overflows"},
        {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": a dimension must be a whole number, got -1"},
        {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": a dimension must be a whole number, got 1.5"},
        {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": a dimension must be a whole number, got 1e+20"},
        {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": shape must be a list, got 1"},
        {R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", eight,
         "FILE: tensor \"a\": unknown dtype \"C64\""},
        {R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", four,
         "FILE: tensor \"a\": dtype must be a string, got 4"},
        {R"({"a":{"dtype":"F32","shape":[1]}})", four,
         "FILE: tensor \"a\": expected a map of dtype, shape and data_offsets"},
        {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", four,
         "FILE: tensor \"a\": data_offsets must be [begin, end], got [0]"},
        {R"({"__metadata__":{"a":1}})", "", "FILE: __metadata__ must be a map of strings"},
        {R"({"__metadata__":[]})", "", "FILE: __metadata__ must be a map of strings"},
        {"[]", "", "FILE: the header does not begin with {: this is no safetensors file"},
        {"", "", "FILE: the header does not begin with {: this is no safetensors file"},
    };
    for (const Case& c : table) {
        put(c.header, c.data);
        EXPECT_EQ(refusal(), c.complaint) << c.header;
    }
    put("{", "");
    EXPECT_EQ(refusal().substr(0, 34), "FILE: the header is no JSON: [json");
    put(std::string("{}\0\"hidden\"", 11), "");
    EXPECT_EQ(refusal(),
              "FILE: the header has a zero byte: this is no safetensors file, or damaged");
}

TEST_F(SafetensorsTest, RefusesWrongLengths) {
    EXPECT_EQ(refusal(), "cannot open FILE: No such file or directory");
    put_raw("abc");
    EXPECT_EQ(refusal(), "FILE is truncated: it has 3 bytes");
    put_raw(std::string("\x10\0\0\0\0\0\0\0{}", 10));
    EXPECT_EQ(refusal(), "FILE is truncated: its header takes 16 bytes, 2 are there");
    put_raw(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10));  // 100,000,001
    EXPECT_EQ(refusal(),
              "FILE: a header of 100000001 bytes is too long (at most 100000000): this is no "
              "safetensors file");
    put_raw(std::string(8, '\xff'));
    EXPECT_EQ(refusal(),
              "FILE: a header of 18446744073709551615 bytes is too long (at most 100000000): this "
              "is no safetensors file");
}

TEST_F(SafetensorsTest, NeverCrashesOnADamagedFile) {
    write_safetensors(path_, {{"a", torch::rand({3})}, {"b", torch::arange(4)}}, {{"k", "v"}});
    std::ifstream file(path_, std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(file)), {});
    int accepted = 0;
    for (size_t i = 0; i < good.size(); ++i)
        for (char flip : {'\x01', '\x10', '\x80'}) {
            std::string bad = good;
            bad[i] = char(bad[i] ^ flip);
            put_raw(bad);
            accepted += refusal() == "accepted";
        }
    // Flipped data is not the format's to find (the manifest's checksum is), nor are other names.
    EXPECT_GE(accepted, 3 * (12 + 32));
    for (size_t size = 0; size < good.size(); ++size) {
        put_raw(good.substr(0, size));
        ASSERT_NE(refusal(), "accepted") << "cut at " << size;
    }
}

TEST_F(SafetensorsTest, HoldsComplexTensorsAsPairsOfNumbersWithAMark) {
    const at::Tensor numbers = torch::complex(torch::rand({2, 3}), torch::rand({2, 3}));
    const NamedTensors tensors = {{"float", numbers},
                                  {"double", numbers.to(at::kComplexDouble)},
                                  {"half", numbers.to(at::kComplexHalf)},
                                  {"conjugate", numbers.conj()},
                                  {"transposed", numbers.t()},
                                  {"scalar", numbers[0][1]},
                                  {"empty", numbers.narrow(0, 0, 0)},
                                  {"real", torch::rand({3, 2})}};
    write_safetensors(path_, tensors, {{"format", "pt"}});
    Metadata metadata;
    const NamedTensors found = read_safetensors(path_, &metadata);
    const std::map<std::string, at::Tensor> by_name(found.begin(), found.end());
    ASSERT_EQ(by_name.size(), tensors.size());
    for (const auto& [name, tensor] : tensors) {
        ASSERT_EQ(by_name.at(name).scalar_type(), tensor.scalar_type()) << name;
        EXPECT_TRUE(at::view_as_real(by_name.at(name).to(at::kComplexDouble).resolve_conj())
                        .equal(at::view_as_real(tensor.to(at::kComplexDouble).resolve_conj())))
            << name;
    }
    EXPECT_EQ(metadata, (Metadata{{"format", "pt"}}));

    fs::remove(path_);
    write_safetensors(path_, {{"a", torch::rand({3})}}, {{"ailab.complex/a", "ComplexFloat"}});
    EXPECT_EQ(refusal(),
              "FILE: tensor \"a\" is marked as complex, and is no list of pairs of numbers");
}

TEST_F(SafetensorsTest, HoldsATensorUnderEachOfItsNames) {
    const at::Tensor tied = torch::rand({2, 2});
    const NamedTensors tensors = {{"embed", tied}, {"head", tied}};
    Metadata metadata = {{"format", "pt"}};
    note_aliases(tensors, metadata);
    EXPECT_EQ(metadata, (Metadata{{"format", "pt"}, {"head", "embed"}}));
    write_safetensors(path_, tensors, metadata);
    expect_same(read_safetensors(path_), tensors);
}

TEST(Aliases, AreDroppedAndComeBack) {
    const at::Tensor tied = torch::rand({2, 2});
    const NamedTensors tensors = {
        {"embed", tied},          {"other", torch::rand({2, 2})}, {"head", tied},
        {"transposed", tied.t()}, {"empty", torch::empty({0})},   {"empty too", torch::empty({0})}};
    Metadata metadata = {{"format", "pt"}};
    NamedTensors kept = drop_aliases(tensors, metadata);
    EXPECT_EQ(kept.size(), 5u);
    EXPECT_EQ(metadata, (Metadata{{"format", "pt"}, {"head", "embed"}}));
    restore_aliases(kept, metadata);
    ASSERT_EQ(kept.size(), 6u);
    EXPECT_EQ(kept.back().first, "head");
    EXPECT_TRUE(kept.back().second.is_same(tied));
}

}  // namespace
}  // namespace ailab
