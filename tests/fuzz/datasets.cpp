// Data sets in files of their own kind: tar shards, IDX, CIFAR; and the cache of decoded images.
#include <zlib.h>

#include <cstring>
#include <filesystem>

#include "ailab/ailab.hpp"
#include "config/options_reader.hpp"
#include "data/idx_file.hpp"
#include "data/image_cache.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

/// A registered data set with these options.
std::shared_ptr<Dataset> make_dataset(const std::string& name, const Node& options) {
    const plugin::ModuleNode* node = plugin::module_list;
    while (node && name != node->name) node = node->next;
    require(node, "the data set is not in this binary");
    const auto holder = node->make_options();
    Problems problems;
    read_options([&](OptionVisitor& v) { holder->visit(v); }, options, {name, "", "option", {}, {}},
                 problems);
    problems.check();
    return std::static_pointer_cast<Dataset>(node->create(*holder));
}

void read_samples(const Dataset& dataset) {
    dataset.digest();
    require(int64_t(dataset.labels().size()) == dataset.size(), "labels are missing");
    for (int64_t i = 0; i < std::min<int64_t>(dataset.size(), 100); ++i) {
        dataset.sample_name(i);
        try {
            dataset.get(i, SampleContext());
        } catch (const Error&) {
        }
    }
}

// ---- tar

constexpr size_t tar_block = 512, tar_checksum = 148;

void tar(const std::string& input) {
    Node options = Node::map();
    options.set("shards", Node::list({Node::string(as_file(input))}));
    read_samples(*make_dataset("TarShards", options));
}

/// Every block that looks like a header gets its checksum.
void repair_tar(std::string& input) {
    for (size_t at = 0; at + tar_block <= input.size(); at += tar_block) {
        if (input.compare(at + 257, 5, "ustar") != 0) continue;
        unsigned sum = 8 * ' ';
        for (size_t i = 0; i < tar_block; ++i)
            if (i < tar_checksum || i >= tar_checksum + 8) sum += uint8_t(input[at + i]);
        std::snprintf(input.data() + at + tar_checksum, 8, "%06o", sum & 0777777);
        input[at + tar_checksum + 7] = ' ';
    }
}

// ---- IDX

void idx(const std::string& input) {
    const std::string path = as_file(input);
    for (const int dimensions : {1, 3}) {
        for (const int64_t limit : {-1, 2}) {
            try {
                const IdxFile file(path, dimensions, limit);
                volatile unsigned seen = 0;
                for (int64_t i = 0; i < file.available(); ++i)
                    for (int64_t byte = 0; byte < file.item_size(); ++byte)
                        seen = seen + file.item(i)[byte];
            } catch (const Error&) {
            }
        }
    }
}

// ---- CIFAR

/// The first byte says which data set and which of its two forms.
void cifar(const std::string& input) {
    if (input.empty()) return;
    const bool large = input[0] & 1, python = input[0] & 2;
    const std::string folder = concat(large ? "cifar100" : "cifar10", python ? "py" : "bin");
    const std::string ending = python ? "" : ".bin";
    std::string root;
    for (const char* file : {"test", "test_batch", "meta", "batches.meta"})
        root = in_folder(concat(folder, "/", file, ending), input.substr(1));
    Node options = Node::map();
    options.set("root", Node::string(root + "/" + folder));
    options.set("train", Node(Node::Value(false)));
    read_samples(*make_dataset(large ? "CIFAR100" : "CIFAR10", options));
}

// ---- the cache of decoded images

// The layout of CacheFile and of ImageCache's slots.
constexpr size_t cache_slots_at = 4096, cache_slot = 64;

template <class T>
T get(const std::string& bytes, size_t at) {
    T value{};
    if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}
template <class T>
void put(std::string& bytes, size_t at, T value) {
    if (at + sizeof value <= bytes.size()) std::memcpy(bytes.data() + at, &value, sizeof value);
}
uint32_t crc(const void* data, size_t size, uint32_t begun = 0) {
    return uint32_t(crc32_z(begun, static_cast<const Bytef*>(data), size));
}

void cache(const std::string& input) {
    const auto cache = ImageCache::open(as_file(input), /*gigabytes=*/1.0 / 1024);
    for (size_t at = cache_slots_at; at + cache_slot <= input.size(); at += cache_slot) {
        const at::Tensor found =
            cache->find({get<uint64_t>(input, at), get<uint64_t>(input, at + 8)});
        if (found.defined()) found.clone(at::MemoryFormat::Contiguous);
    }
    cache->put({7, 8}, at::zeros({3, 2, 2}, at::kByte));
}

void repair_cache(std::string& input) {
    if (input.size() < cache_slots_at) return;
    std::memcpy(input.data(), "ailab images\0\0\0\0", 16);
    put<uint32_t>(input, 16, 2);
    const auto slots = get<uint64_t>(input, 24);
    put(input, 20, crc(&slots, sizeof slots));
    const uint64_t units = (input.size() + 63) / 64;
    put(input, 32, units | uint64_t(crc(&units, sizeof units)) << 48);
    for (size_t at = cache_slots_at; at + cache_slot <= input.size(); at += cache_slot) {
        const auto offset = get<uint64_t>(input, at + 16);
        const uint64_t facts[] = {get<uint64_t>(input, at + 8), get<uint32_t>(input, at + 24),
                                  get<uint32_t>(input, at + 28), get<uint32_t>(input, at + 32),
                                  get<uint32_t>(input, at + 36)};
        // Of bytes: wraps around as a careless reader's would.
        const uint64_t size = facts[1] * facts[2] * facts[3];
        if (offset > input.size() || size > input.size() - offset) continue;
        const uint32_t begun = crc(facts, sizeof facts);
        put(input, at + 40, crc(input.data() + offset, size, begun));
    }
}

std::vector<std::string> cache_seeds() {
    std::string file(cache_slots_at + 2 * cache_slot + 64, '\0');
    put<uint64_t>(file, 24, 2);
    put<uint64_t>(file, cache_slots_at, 5);
    put<uint64_t>(file, cache_slots_at + 8, 6);
    put<uint64_t>(file, cache_slots_at + 16, cache_slots_at + 2 * cache_slot);
    for (const size_t size : {0, 1, 2}) put<uint32_t>(file, cache_slots_at + 24 + 4 * size, 3);
    put<uint32_t>(file, cache_slots_at + 44, 1);  // ready
    repair_cache(file);
    return {file};
}

const Registration tar_target({.name = "tar", .run = tar, .repair = repair_tar});
const Registration idx_target({.name = "idx", .run = idx});
const Registration cifar_target({.name = "cifar", .run = cifar});
const Registration cache_target(
    {.name = "cache", .run = cache, .repair = repair_cache, .seeds = cache_seeds});

}  // namespace
}  // namespace ailab::fuzz
