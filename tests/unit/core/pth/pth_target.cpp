#include "pth_target.hpp"

#include <ATen/ATen.h>

#include "ailab/error.hpp"
#include "checkpoint/original_checkpoint.hpp"
#include "pth/pth_file.hpp"
#include "pth_builder.hpp"

namespace ailab::test {
namespace {

using namespace std::string_literals;

const Storages storages = {{"0", std::string(96, '\1')}, {"1", std::string(16, '\2')}};

/// Values that sizes, counts and offsets go wrong with.
const int64_t edges[] = {0,         1,         -1,         2,         4,         24,
                         25,        127,       255,        256,       65535,     65536,
                         INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX / 4,
                         1 << 28,   1 << 30};

const std::string instructions[] = {".",
                                    "(",
                                    "0",
                                    "1",
                                    "2",
                                    "N",
                                    "Q",
                                    "R",
                                    "a",
                                    "b",
                                    "d",
                                    "e",
                                    "l",
                                    "s",
                                    "t",
                                    "u",
                                    "}",
                                    "]",
                                    ")",
                                    "\x81",
                                    "\x85",
                                    "\x86",
                                    "\x87",
                                    "\x88",
                                    "\x89",
                                    "\x8f",
                                    "\x90",
                                    "\x91",
                                    "\x92",
                                    "\x93",
                                    "\x94",
                                    "h\0"s,
                                    "h\1",
                                    "q\0"s,
                                    "q\1",
                                    "K\1",
                                    "C\1a",
                                    "\x8c\1a",
                                    "\x8a\1\5",
                                    "\x80\4",
                                    "ctorch._utils\n_rebuild_parameter\n",
                                    "ctorch._utils\n_rebuild_tensor_v2\n",
                                    "ctorch._utils\n_rebuild_tensor_v3\n",
                                    "ctorch._tensor\n_rebuild_from_type_v2\n",
                                    "ctorch\nBoolStorage\n",
                                    "ctorch\nDoubleStorage\n",
                                    "ctorch\nfloat64\n",
                                    "ccollections\nOrderedDict\n",
                                    "cnumpy.core.multiarray\nscalar\n",
                                    "c_codecs\nencode\n"};

std::string seed_values() {
    const std::string first = storage("FloatStorage", "0", 24);
    const std::string second = storage("IntStorage", "1", 4);
    const std::string ordered = global("collections", "OrderedDict");
    const std::string weight = tensor(first, 0, {2, 3}, {3, 1});
    const std::string f8 = global("numpy", "dtype") + tuple({text("f8"), no, no}) + "R" +
                           tuple({number(3), text("<")}) + "b";
    const std::string model =
        ordered + ")R(" + text("module.model.w") + weight + text("module.model.t") +
        tensor(first, 6, {3, 2}, {1, 3}) + text("module.model.p") +
        call(global("torch._utils", "_rebuild_parameter"), tuple({weight, no, none})) +
        text("module.model.e") + tensor(first, 1, {4, 4}, {0, 0}) + text("module.model.n") +
        tensor(second, 1, {}, {}) + text("module.model.b") +
        call(global("torch._utils", "_rebuild_tensor_v3"),
             tuple({second, number(0), numbers({16}), numbers({1}), no, none,
                    global("torch", "bool")})) +
        text("module.model.s") +
        call(global("torch._tensor", "_rebuild_from_type_v2"),
             tuple({global("torch._utils", "_rebuild_tensor_v2"), global("a", "B"),
                    tuple({second, number(0), numbers({2}), numbers({1}), no, none}), none})) +
        "u" + dict({{"_metadata", dict({})}}) + "b";
    const std::string first_state = "}(" + number(0) +
                                    dict({{"step", number(3)}, {"exp_avg", weight}}) + number(1) +
                                    dict({{"momentum_buffer", none}}) + "u";
    std::string indices = "](";
    for (int i = 0; i < 7; ++i) indices += number(i);
    const std::string group = dict({{"lr", "G\x3f\xb9\x99\x99\x99\x99\x99\x9a"},
                                    {"betas", tuple({number(1), number(0)})},
                                    {"params", indices + "e"}});
    const std::string lr = global("numpy.core.multiarray", "scalar") +
                           tuple({f8, "C\x08" + std::string(8, '\0')}) + "R";
    const std::string text_bytes =
        call(global("_codecs", "encode"), tuple({text("\xc3\xbf"), text("latin1")}));
    const std::string circle = "]q\7h\7a";
    return dict(
        {{"model_state", model},
         {"optimizer_state", dict({{"state", first_state}, {"param_groups", "]" + group + "a"}})},
         {"epoch", number(3)},
         {"lr", lr},
         {"bytes", text_bytes},
         {"circle", circle},
         {"config", global("mmcv", "Config") + ")\x81" + dict({{"a", none}}) + "b"}});
}

/// Reads every element, so that a sanitizer sees an address that is not the tensor's.
void touch(const at::Tensor& tensor) {
    constexpr int64_t enough = 1 << 22;  // an expanded tensor may be larger than its file
    if (tensor.numel() <= enough) tensor.clone(at::MemoryFormat::Contiguous);
}

void touch(const NamedTensors& tensors) {
    for (const auto& [name, tensor] : tensors) touch(tensor);
}

}  // namespace

std::string PthSeed::file(const std::string& pickle) const {
    return legacy ? legacy_pth(pickle, storages, 4) : pth(pickle, storages);
}

std::vector<PthSeed> pth_seeds() {
    return {{pickle(seed_values()), false}, {pickle(seed_values()), true}};
}

std::string mutate_bytes(std::string bytes, std::mt19937_64& random) {
    const auto below = [&](size_t n) {
        return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    for (size_t i = 1 + below(3); i > 0 && !bytes.empty(); --i) {
        const size_t at = below(bytes.size());
        const size_t length = std::min(bytes.size() - at, 1 + below(24));
        const int64_t edge = edges[below(std::size(edges))];
        switch (below(9)) {
            case 0:
                bytes.erase(at, length);
                break;
            case 1:
                bytes.insert(at, instructions[below(std::size(instructions))]);
                break;
            case 2:
                bytes.insert(at, bytes.substr(below(bytes.size()), length));
                break;
            case 3:
                bytes[at] = char(below(256));
                break;
            case 4:
                bytes[at] = char(bytes[at] ^ (1 << below(8)));
                break;
            case 5:
                bytes.replace(at, std::min<size_t>(8, bytes.size() - at), raw(edge));
                break;
            case 6:
                bytes.replace(at, std::min<size_t>(4, bytes.size() - at), raw(int32_t(edge)));
                break;
            case 7:
                bytes.replace(at, length, bytes.substr(below(bytes.size()), length));
                break;
            default:
                bytes.resize(at);
        }
    }
    return bytes;
}

std::string mutate_pth(const PthSeed& seed, std::mt19937_64& random) {
    if (random() % 4 == 0) return mutate_bytes(seed.file(seed.pickle), random);
    std::string bytes = mutate_bytes(seed.pickle, random);
    return seed.file(bytes);
}

bool read_pth_to_the_end(const std::string& path) {
    try {
        touch(read_weights_file(path).tensors);
        const OriginalCheckpoint checkpoint = read_original_checkpoint(path);
        std::vector<std::string> names;
        for (const auto& [name, tensor] : checkpoint.model.tensors) names.push_back(name);
        if (checkpoint.optimizer)
            for (const auto& [name, tensor] :
                 to_optimizer_state(*checkpoint.optimizer, names).tensors)
                touch(tensor);
        return true;
    } catch (const Error& error) {
        if (std::string(error.what()).empty()) throw std::runtime_error("an Error says nothing");
        return false;
    }
}

}  // namespace ailab::test
