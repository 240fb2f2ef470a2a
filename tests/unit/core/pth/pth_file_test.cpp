// Files of torch.save(), written by hand: what is read, and what must be refused. Files that torch
// itself wrote are read in tests/interop.
#include "pth/pth_file.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>

#include "ailab/error.hpp"
#include "checkpoint/weights_file.hpp"
#include "core/checkpoint/memory_file.hpp"
#include "pth_builder.hpp"

namespace ailab {
namespace {

using namespace std::string_literals;
using namespace test;

constexpr int64_t huge = std::numeric_limits<int64_t>::max();

class PthFileTest : public testing::Test {
  protected:
    /// "accepted", or why not.
    std::string refusal(const std::string& bytes) {
        file_.write(bytes);
        try {
            read_weights_file(file_.path());
        } catch (const Error& error) {
            return file_.shorten(error.what());
        }
        return "accepted";
    }
    at::Tensor read(const std::string& bytes) {
        file_.write(bytes);
        return read_weights_file(file_.path()).tensors.at(0).second;
    }

    const MemoryFile file_;
    /// 0, 1, 2, 3 as floats.
    const std::string floats_ = raw(0.0F) + raw(1.0F) + raw(2.0F) + raw(3.0F);
    const std::string storage_ = storage("FloatStorage", "0", 4);

    std::string state(const std::string& value) { return pickle(dict({{"w", value}})); }
};

TEST_F(PthFileTest, ReadsViewsOfAStorage) {
    struct Case {
        int64_t offset;
        std::vector<int64_t> sizes, strides;
        at::Tensor expected;
    };
    const std::vector<Case> table = {
        {0, {4}, {1}, torch::tensor({0, 1, 2, 3})},
        {0, {2, 2}, {2, 1}, torch::tensor({{0, 1}, {2, 3}})},
        {0, {2, 2}, {1, 2}, torch::tensor({{0, 2}, {1, 3}})},
        {1, {2}, {2}, torch::tensor({1, 3})},
        {3, {}, {}, torch::tensor(3)},
        {3, {2, 2}, {0, 0}, torch::tensor({{3, 3}, {3, 3}})},
        {0, {0, 4}, {4, 1}, torch::empty({0, 4})},
        {4, {0}, {1}, torch::empty({0})},
        {0, {1}, {1000}, torch::tensor({0})},
    };
    for (const Case& c : table) {
        const std::string values = state(tensor(storage_, c.offset, c.sizes, c.strides));
        for (const std::string& bytes :
             {pth(values, {{"0", floats_}}), legacy_pth(values, {{"0", floats_}}, 4)}) {
            const at::Tensor found = read(bytes);
            EXPECT_EQ(found.strides(), at::IntArrayRef(c.strides));
            EXPECT_TRUE(found.equal(c.expected.to(at::kFloat))) << found;
        }
    }
}

TEST_F(PthFileTest, ReadsATensorThatIsSharedOnce) {
    const std::string shared = tensor(storage_, 0, {4}, {1});
    file_.write(pth(pickle(dict({{"a", shared}, {"b", shared}})), {{"0", floats_}}));
    const NamedTensors tensors = read_weights_file(file_.path()).tensors;
    EXPECT_TRUE(tensors[0].second.is_alias_of(tensors[1].second));
}

TEST_F(PthFileTest, MakesBoolsOfAnyByte) {
    const at::Tensor found = read(
        pth(state(tensor(storage("BoolStorage", "0", 4), 0, {4}, {1})), {{"0", "\0\1\2\xff"s}}));
    EXPECT_TRUE(found.equal(torch::tensor({false, true, true, true})));
}

TEST_F(PthFileTest, RefusesTensorsThatDoNotFit) {
    const auto rebuild = [](const std::string& function, const std::vector<std::string>& items) {
        return call(global("torch._utils", function), tuple(items));
    };
    const auto as_tensor = [&](const std::vector<std::string>& items) {
        return rebuild("_rebuild_tensor_v2", items);
    };
    const std::string size = numbers({4});
    const std::string stride = numbers({1});
    const std::string zero = number(0);
    const auto id = [](const std::vector<std::string>& items) { return tuple(items) + "Q"; };
    const std::string float_type = global("torch", "FloatStorage");
    const std::vector<std::pair<std::string, std::string>> table = {
        {tensor(storage_, 0, {5}, {1}), "it reaches to byte 20 of its storage, which has 16"},
        {tensor(storage_, 1, {4}, {1}), "it reaches to byte 20 of its storage, which has 16"},
        {tensor(storage_, 0, {2}, {4}), "it reaches to byte 20 of its storage, which has 16"},
        {tensor(storage_, 4, {}, {}), "it reaches to byte 20 of its storage, which has 16"},
        {tensor(storage_, 0, {4}, {huge}), "its size overflows"},
        {tensor(storage_, 0, {huge, huge}, {0, 0}), "its size overflows"},
        {tensor(storage_, 0, {0, huge, huge}, {0, 0, 0}), "its size overflows"},
        {tensor(storage_, huge, {4}, {1}), "its size overflows"},
        {tensor(storage_, huge / 4, {1}, {1}), "its size overflows"},
        {tensor(storage_, 0, {1 << 30}, {0}),
         "it repeats a storage of 16 bytes to 4294967296; at most 1073741824 are read"},
        {tensor(storage_, -1, {4}, {1}),
         "its offset must be a whole number from 0, got the number -1"},
        {tensor(storage_, 0, {-4}, {1}),
         "its shape must be a whole number from 0, got the number -4"},
        {tensor(storage_, 3, {4}, {-1}),
         "its strides must be a whole number from 0, got the number -1"},
        {tensor(storage_, 0, {4}, {}), "it has 1 dimensions and 0 strides"},
        {tensor(storage_, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)),
         "its shape has 65 dimensions; at most 64 are read"},
        {as_tensor({storage_, zero, none, stride, no, none}),
         "its shape must be a list of numbers, got null"},
        {as_tensor({storage_, text("0"), size, stride, no, none}),
         "its offset must be a whole number from 0, got the string \"0\""},
        {as_tensor({none, zero, size, stride, no, none}), "it has no storage, but null"},
        {as_tensor({number(1) + "Q", zero, size, stride, no, none}),
         "it has no storage, but a storage"},
        {tensor(storage("FloatStorage", "1", 4), 0, {4}, {1}), "its storage \"1\" is not there"},
        {tensor(storage("FloatStorage", "../data.pkl", 4), 0, {4}, {1}),
         "its storage \"../data.pkl\" is not there"},
        {tensor(storage("FloatStorage", "0", 5), 0, {5}, {1}), "its storage has 16 bytes, not 20"},
        {tensor(storage("FloatStorage", "0", huge), 0, {4}, {1}), "its storage overflows"},
        {tensor(storage("FloatStorage", "0", -1), 0, {4}, {1}),
         "the size of its storage must be a whole number from 0, got the number -1"},
        {tensor(storage("QInt8Storage", "0", 16), 0, {4}, {1}),
         "its type is the class torch.QInt8Storage, which is not known here"},
        {tensor(id({text("storage"), float_type, number(0), text("cpu"), number(4)}), 0, {4}, {1}),
         "the key of its storage is the number 0"},
        {tensor(id({text("storage"), float_type, text("0"), text("cpu"), number(4), size}), 0, {4},
                {1}),
         "its storage is a view of another one, which only PyTorch before 0.4 wrote: load the file "
         "there and save it again"},
        {rebuild("_rebuild_tensor_v3", {storage_, zero, size, stride, no, none, none}),
         "its type is null, which is not known here"},
        {rebuild("_rebuild_tensor_v3",
                 {storage_, zero, size, stride, no, none, global("torch", "float64")}),
         "it reaches to byte 32 of its storage, which has 16"},
        {as_tensor({storage_, zero, size, stride, no, none, dict({{"conj", "\x88"}})}),
         "it is a lazy conjugate or negative; call resolve_conj() and resolve_neg() on it before "
         "torch.save"},
    };
    for (const auto& [value, complaint] : table)
        EXPECT_EQ(refusal(pth(state(value), {{"0", floats_}})),
                  "cannot read FILE: tensor \"w\": " + complaint);
}

TEST_F(PthFileTest, TakesForATensorOnlyWhatIsOne) {
    const std::string good = tensor(storage_, 0, {4}, {1});
    const std::string parameter = global("torch._utils", "_rebuild_parameter");
    std::string wrapped = good;
    for (int i = 0; i < 10; ++i) wrapped = call(parameter, tuple({wrapped}));
    const std::vector<std::pair<std::string, std::string>> table = {
        {none, "null"},
        {number(3), "the number 3"},
        {storage_, "a storage"},
        {dict({{"w", good}}), "a dict"},
        {call(global("os", "system"), tuple({text("true")})), "an object of os.system"},
        {call(global("os", "\x1b[2Jx"), empty_tuple), "an object of os.\\x1b[2Jx"},
        {call(global("torch._utils", "_rebuild_tensor_v2"), tuple({storage_, number(0)})),
         "an object of torch._utils._rebuild_tensor_v2"},
        {call(global("torch._utils", "_rebuild_tensor_v2"), none),
         "an object of torch._utils._rebuild_tensor_v2"},
        {call(parameter, empty_tuple), "an object of torch._utils._rebuild_parameter"},
        {call(parameter, tuple({number(1)})), "an object of torch._utils._rebuild_parameter"},
        {wrapped, "an object of torch._utils._rebuild_parameter"},
    };
    for (const auto& [value, described] : table) {
        file_.write(pth(pickle(dict({{"good", good}, {"bad", value}})), {{"0", floats_}}));
        const WeightsFile weights = read_weights_file(file_.path());
        EXPECT_EQ(weights.tensors.size(), 1u);
        EXPECT_EQ(weights.left_out,
                  std::vector{concat("\"bad\" is ", described, ", not a tensor")});
    }
}

/// Values that are small in the file, and huge if each place that shares them were a copy.
TEST_F(PthFileTest, BoundsWhatSharedValuesMultiply) {
    const auto start = std::chrono::steady_clock::now();
    const std::string bytes(1 << 20, '\1');
    // A million expanded bools, 10,000 times.
    std::string names = "}(";
    names += text("b") + tensor(storage("BoolStorage", "0", 1 << 20), 0, {1 << 20}, {1}) + "q\0"s;
    for (int i = 0; i < 10000; ++i) names += text(std::to_string(i)) + "h\0"s;
    EXPECT_EQ(refusal(pth(pickle(names + "u"), {{"0", bytes}})), "accepted");
    // One name of many wrappers.
    std::string wrapped;
    for (int i = 0; i < 100000; ++i) wrapped += "module.";
    file_.write(
        pth(pickle(dict({{wrapped + "w", tensor(storage_, 0, {4}, {1})}})), {{"0", floats_}}));
    EXPECT_EQ(read_weights_file(file_.path()).prefix, "module.module.module.module.");
    // A text of a megabyte that is no tensor, in 10,000 places; and as the key of a storage.
    const std::string good = text("w") + tensor(storage_, 0, {4}, {1});
    names = "}(" + good + text("t") + text(bytes) + "q\0"s;
    for (int i = 0; i < 10000; ++i) names += text(std::to_string(i)) + "h\0"s;
    file_.write(pth(pickle(names + "u"), {{"0", floats_}}));
    size_t said = 0;
    for (const std::string& why : read_weights_file(file_.path()).left_out) said += why.size();
    EXPECT_LT(said, 10000u * 1000);
    EXPECT_LT(refusal(pth(state(tensor(storage("FloatStorage", bytes, 4), 0, {4}, {1})))).size(),
              1000u);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(PthFileTest, RefusesContainersThatAreNoState) {
    const std::string good = tensor(storage_, 0, {4}, {1});
    const std::string keys =
        "model_state, model_state_dict, state_dict_ema, state_dict, model, module, net, network, "
        "weights, params, model_ema, ema_state_dict, params_ema, ema";
    const std::string start = "cannot read weights from FILE: ";
    const std::vector<std::pair<std::string, std::string>> table = {
        {number(3), start + "it holds the number 3, no state dict"},
        {good, start + "it holds an object of torch._utils._rebuild_tensor_v2, no state dict"},
        {"]" + good + "a", start + "it holds a list, no state dict"},
        {dict({}),
         start + "it has no tensors at its top, nor under any of " + keys + "; it is empty"},
        {dict({{"generator", dict({{"g", good}})}, {"epoch", number(3)}}),
         start + "it has no tensors at its top, nor under any of " + keys +
             "; its keys are generator, epoch"},
        {dict({{"w", good}, {"w", good}}), start + "\"w\" is there twice"},
        {"}" + number(1) + good + "s", start + "it has no tensors at its top, nor under any of " +
                                           keys + "; its keys are the number 1"},
    };
    for (const auto& [value, complaint] : table)
        EXPECT_EQ(refusal(pth(pickle(value), {{"0", floats_}})), complaint);
}

TEST_F(PthFileTest, RefusesZipFiles) {
    const std::string values = state(tensor(storage_, 0, {4}, {1}));
    const std::string good = pth(values, {{"0", floats_}});
    ASSERT_EQ(refusal(good), "accepted");
    const ZipPart pickle{"a/data.pkl", values, 0, {}};
    const ZipPart data{"a/data/0", floats_, 0, {}};
    const auto edit = [&](size_t from_end, const std::string& bytes) {
        std::string bad = good;
        return bad.replace(bad.size() - from_end, bytes.size(), bytes);
    };
    const std::string zip64 = "PK\6\7" + raw(uint32_t(0)) + raw(uint64_t(huge)) + raw(uint32_t(1));
    const std::vector<std::pair<std::string, std::string>> table = {
        {good + "comment", "it has no zip directory at its end: it is cut short"},
        {good.substr(0, good.size() - 1), "it has no zip directory at its end: it is cut short"},
        {good.substr(0, 4), "it has no zip directory at its end: it is cut short"},
        {edit(6, raw(uint32_t(0x7fffffff))),
         "the zip directory lies beyond the end of the file, at byte 2147483647"},
        {edit(10, raw(uint32_t(0x7fffffff))),
         "the zip directory lies beyond the end of the file, "
         "at byte "},
        {edit(12, raw(uint16_t(4))), "it is cut short"},
        {edit(6, raw(uint32_t(0))), "its zip directory is damaged"},
        {good.substr(0, good.size() - 22) + zip64 + good.substr(good.size() - 22),
         "the zip64 directory lies beyond the end of the file, at byte 9223372036854775807"},
        {zip({data}), "it is a zip file without data.pkl: no file of torch.save"},
        {zip({{"data.pkl", values, 0, {}}}),
         "it is a zip file without data.pkl: no file of torch.save"},
        {zip({pickle, data, data}), "it has two records a/data/0"},
        {zip({pickle, data, {"b/data.pkl", values, 0, {}}}), "it has two records data.pkl"},
        {zip({{"a/data.pkl", values, 8, {}}, data}), "its record data.pkl is compressed or "},
        {zip({{"a/data.pkl", values, 0, 7}, data}),
         "its record data.pkl is damaged: the checksum is another"},
        {zip({pickle, {"a/data/0", floats_, 0, 7}}),
         "tensor \"w\": its record data/0 is damaged: the checksum is another"},
        {zip({pickle, data, {"a/byteorder", "big", 0, {}}}),
         "its byte order is \"big\"; only little-endian files are read"},
        {zip({pickle, data, {"a/constants.pkl", "", 0, {}}}), "it is a TorchScript program"},
        {zip({pickle, {"a/data/0", floats_.substr(1), 0, {}}}),
         "tensor \"w\": its storage has 15 bytes, not 16"},
    };
    for (const auto& [bytes, complaint] : table)
        EXPECT_EQ(refusal(bytes).substr(0, 18 + complaint.size()),
                  "cannot read FILE: " + complaint);
    // A writer that computes no checksums leaves zeros.
    EXPECT_EQ(refusal(zip({{"a/data.pkl", values, 0, 0}, {"a/data/0", floats_, 0, 0}})),
              "accepted");
}

TEST_F(PthFileTest, RefusesRecordsThatOverlap) {
    // Two names for one local header: its bytes would be read, and kept, twice.
    const std::string values = state(tensor(storage_, 0, {4}, {1}));
    std::string bytes = zip({{"a/data.pkl", values, 0, {}},
                             {"a/data/0", floats_, 0, {}},
                             {"a/data/1", floats_, 0, {}}});
    const size_t second = bytes.rfind("a/data/0") - 4;
    const size_t third = bytes.rfind("a/data/1") - 4;
    bytes.replace(third, 4, bytes.substr(second, 4));
    EXPECT_EQ(refusal(bytes).find("cannot read FILE: its record a/data/"), 0u) << refusal(bytes);
    EXPECT_NE(refusal(bytes).find(" overlaps the one before"), std::string::npos);
}

TEST_F(PthFileTest, RefusesLegacyFiles) {
    const std::string value = dict({{"w", tensor(storage_, 0, {4}, {1})}});
    const std::string good = legacy_pth(pickle(value), {{"0", floats_}}, 4);
    ASSERT_EQ(refusal(good), "accepted");
    const std::string magic = good.substr(0, good.find('.') + 1);
    const std::string head = magic + pickle(number(1001));
    const std::string little = pickle(dict({{"little_endian", "\x88"}}));
    const std::string keys = pickle("]" + text("0") + "a");
    const std::vector<std::pair<std::string, std::string>> table = {
        {pickle(number(3)), "it is a plain pickle, no file of torch.save"},
        {pickle(value), "it is a plain pickle, no file of torch.save"},
        {magic, "the pickle cannot be read, at its byte 0: it is cut short"},
        {magic + pickle(number(1000)), "its version is the number 1000, 1001 was expected"},
        {head + pickle(dict({{"little_endian", no}})),
         "its byte order is big-endian; only little-endian files are read"},
        {head + little + pickle(value) + pickle(number(1)),
         "the keys of its storages are the number 1"},
        {head + little + pickle(value) + pickle("]" + text("1") + "a"),
         "it has the storage the string \"1\", which no value uses"},
        {head + little + pickle(value) + keys, "it is cut short: 1 byte(s) are needed"},
        {head + little + pickle(value) + keys + raw(int64_t(-1)),
         "its storage 0 has -1 elements; 0 bytes are there: it is cut short"},
        {head + little + pickle(value) + keys + raw(huge),
         "its storage 0 has 9223372036854775807 elements; 0 bytes are there: it is cut short"},
        {head + little + pickle(value) + keys + raw(int64_t(5)) + floats_,
         "its storage 0 has 5 elements; 16 bytes are there: it is cut short"},
        {head + little + pickle(value) + pickle("](" + text("0") + text("0") + "e") +
             raw(int64_t(4)) + floats_ + raw(int64_t(0)),
         "it has the storage 0 twice"},
        {head + little + pickle(value) + pickle("]"),
         "tensor \"w\": its storage \"0\" is not there"},
        {head + little + pickle(value) + keys + raw(int64_t(3)) + floats_,
         "tensor \"w\": its storage has 12 bytes, not 16"},
    };
    for (const auto& [bytes, complaint] : table)
        EXPECT_EQ(refusal(bytes).substr(0, 18 + complaint.size()),
                  "cannot read FILE: " + complaint);
}

TEST_F(PthFileTest, RefusesOtherFiles) {
    std::string tar(512, '\0');
    tar.replace(257, 5, "ustar");
    const std::string neither =
        "cannot read weights from FILE: it is neither a safetensors file nor one of torch.save, "
        "but ";
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", "cannot read weights from FILE: it is empty"},
        {"x", neither + "a text that begins with \"x\""},
        {"version https://git-lfs.github.com/spec/v1\n",
         neither + "a text that begins with \"version https://git-lfs.github.com/spec/…\""},
        {"\n\n  model: {type: MLP}\r\n",
         neither + "a text that begins with \"model: {type: MLP}\""},
        {"\x80\x01", neither + "a file that begins with the bytes 80 01"},
        {"\x89PNG\r\n\x1a\n and more",
         neither + "a file that begins with the bytes 89 50 4e 47 0d 0a 1a 0a"},
        {tar,
         "cannot read FILE: it has the tar format of PyTorch before 0.1.10; load it with "
         "torch.load and save it again"},
        {raw(uint64_t(2)) + "{", "FILE is truncated: its header takes 2 bytes, 1 are there"},
    };
    for (const auto& [bytes, complaint] : table) EXPECT_EQ(refusal(bytes), complaint);
}

TEST(WeightsFileTest, RefusesWhatIsNoFile) {
    const auto refusal = [](const std::string& path) -> std::string {
        try {
            read_weights_file(path);
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(refusal("/nowhere/a.pth"), "cannot open /nowhere/a.pth: No such file or directory");
    EXPECT_EQ(refusal("/tmp"), "cannot open /tmp: it is a folder");
    EXPECT_EQ(refusal("/dev/zero"), "cannot open /dev/zero: it is a device");
}

TEST(WeightsFileTest, KnowsWhatAPrefixMayHaveBeen) {
    EXPECT_EQ(prefixes_to_keep(""), std::vector<std::string>{""});
    EXPECT_EQ(prefixes_to_keep("module.model."),
              (std::vector<std::string>{"module.model.", "model.", ""}));
}

}  // namespace
}  // namespace ailab
