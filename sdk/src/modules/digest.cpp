#include "ailab/digest.hpp"

#include <array>
#include <cstdio>

#include "ailab/dataset.hpp"

namespace ailab {

void Digest::mix(const void* bytes, size_t count) {
    const auto* next = static_cast<const uint8_t*>(bytes);
    for (size_t i = 0; i < count; ++i) hash_ = (hash_ ^ next[i]) * 0x100000001b3;
}

Digest& Digest::add(std::string_view text) {
    add(int64_t(text.size()));  // so that "a", "bc" is not "ab", "c"
    mix(text.data(), text.size());
    return *this;
}

Digest& Digest::add(int64_t number) {
    mix(&number, sizeof number);
    return *this;
}

std::string Digest::str() const {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "digest %016llx", (unsigned long long)(hash_));
    return text.data();
}

namespace {

/// How long a text may be that messages show as it is.
constexpr size_t longest_shown = 200;

/// The folder that all names are in, which may be another on each host: "data/" of "data/a.png"
/// and "data/b/c.png".
std::string common_folder(const Dataset& dataset) {
    std::string folder;
    for (int64_t i = 0; i < dataset.size(); ++i) {
        const std::string name = dataset.sample_name(i);
        if (i == 0) folder = name.substr(0, name.rfind('/') + 1);
        while (!name.starts_with(folder)) {
            folder.pop_back();
            folder.erase(folder.rfind('/') + 1);
        }
        if (folder.empty()) break;
    }
    return folder;
}

}  // namespace

DataDigest Dataset::digest() const {
    DataDigest digest = digest_without_names();
    const std::string folder = common_folder(*this);
    Digest names;
    bool any = false;
    for (int64_t i = 0; i < size(); ++i) {
        const std::string name = sample_name(i);
        any = any || !name.empty();
        names.add(std::string_view(name).substr(folder.size()));
    }
    if (any) digest["sample names"] = names.str();
    return digest;
}

DataDigest Dataset::digest_without_names() const {
    DataDigest digest{{"samples", std::to_string(size())}};
    if (const auto known = num_classes()) digest["number of classes"] = std::to_string(*known);
    if (const std::vector<std::string> names = class_names(); !names.empty()) {
        const std::string text = join(names);
        digest["class names"] = text.size() <= longest_shown ? text : Digest().add(text).str();
    }
    if (const std::vector<int64_t> all = labels(); !all.empty()) {
        Digest labels;
        for (const int64_t label : all) labels.add(label);
        digest["labels"] = labels.str();
    }
    return digest;
}

}  // namespace ailab
