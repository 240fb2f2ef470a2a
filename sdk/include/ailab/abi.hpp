#pragma once
// The stamp of a plugin: read from the file's `ailab_abi` section before the file is loaded.
#include <torch/version.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "ailab/abi_digest.hpp"  // generated: AILAB_ABI_DIGEST, a digest of these headers; AILAB_VERSION

namespace ailab::plugin {

/// Fixed layout, zero-padded text. The first two fields never change.
struct Stamp {
    char magic[8];
    uint32_t size;
    uint32_t glibcxx_debug;
    uint32_t cxx11abi;
    uint32_t reserved;
    char abi[72];
    char torch[32];
    char cuda[32];
    char compiler[96];
    char build[16];
    char core[32];
};

inline constexpr std::string_view stamp_section = "ailab_abi";
inline constexpr std::string_view stamp_magic = "AILABPLG";

#define AILAB_TEXT_(x) #x
#define AILAB_TEXT(x) AILAB_TEXT_(x)

constexpr Stamp make_stamp() {
    Stamp stamp{};
    auto put = [](char* to, size_t room, std::string_view text) {
        for (size_t i = 0; i < room - 1 && i < text.size(); ++i) to[i] = text[i];
    };
    for (size_t i = 0; i < stamp_magic.size(); ++i) stamp.magic[i] = stamp_magic[i];
    stamp.size = sizeof(Stamp);
#ifdef _GLIBCXX_DEBUG
    stamp.glibcxx_debug = 1;
#endif
    stamp.cxx11abi = _GLIBCXX_USE_CXX11_ABI;
    put(stamp.abi, sizeof stamp.abi, AILAB_ABI_DIGEST);
    put(stamp.torch, sizeof stamp.torch,
        AILAB_TEXT(TORCH_VERSION_MAJOR) "." AILAB_TEXT(TORCH_VERSION_MINOR) "." AILAB_TEXT(
            TORCH_VERSION_PATCH));
#ifdef AILAB_PLUGIN_CUDA_VERSION
    put(stamp.cuda, sizeof stamp.cuda, AILAB_PLUGIN_CUDA_VERSION);
#endif
    put(stamp.compiler, sizeof stamp.compiler, __VERSION__);
#ifdef NDEBUG
    put(stamp.build, sizeof stamp.build, "release");
#else
    put(stamp.build, sizeof stamp.build, "debug");
#endif
    put(stamp.core, sizeof stamp.core, AILAB_VERSION);
    return stamp;
}

}  // namespace ailab::plugin
