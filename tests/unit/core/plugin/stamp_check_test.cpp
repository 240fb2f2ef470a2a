#include "plugin/stamp_check.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "ailab/error.hpp"
#include "plugin/search_path.hpp"
#include "temporary_folder.hpp"

namespace ailab::plugin {
namespace {

Stamp host() {
    Stamp stamp = make_stamp();
    stamp = {};
    std::memcpy(stamp.magic, stamp_magic.data(), sizeof stamp.magic);
    stamp.size = sizeof stamp;
    stamp.cxx11abi = 1;
    std::strcpy(stamp.abi, "0123456789abcdef");
    std::strcpy(stamp.torch, "2.11.0");
    std::strcpy(stamp.build, "release");
    std::strcpy(stamp.core, "0.1.0");
    return stamp;
}

std::string refusal(const Stamp& plugin) {
    return error_of([&] { check_stamp("libmy.so", plugin, host()); });
}

std::string section(const Stamp& stamp, size_t size = sizeof(Stamp)) {
    return {reinterpret_cast<const char*>(&stamp), size};
}

const std::string rebuild =
    " Rebuild it: cmake -B build -Dailab_DIR=" + cmake_package_folder() + " && cmake --build build";

TEST(StampCheck, AcceptsItsOwnAndOtherCompilersAndCuda) {
    Stamp plugin = host();
    std::strcpy(plugin.compiler, "another 1.0");
    std::strcpy(plugin.cuda, "13.0");
    EXPECT_EQ(refusal(plugin), "");
    EXPECT_EQ(stamp_warning("libmy.so", plugin, host()), "");
    check_stamp("libmy.so", host_stamp(), host_stamp());
}

TEST(StampCheck, NamesEachFieldThatDiffers) {
    Stamp torch = host();
    std::strcpy(torch.torch, "2.4.0");
    EXPECT_EQ(
        refusal(torch),
        "libmy.so was built for LibTorch 2.4.0; this ailab-run uses LibTorch 2.11.0." + rebuild);
    Stamp abi = host();
    std::strcpy(abi.abi, "fedcba9876543210");
    std::strcpy(abi.core, "0.0.9");
    EXPECT_EQ(
        refusal(abi),
        "libmy.so was built for the SDK of ailab 0.0.9 (headers fedcba987654); this ailab-run "
        "uses the SDK of ailab 0.1.0 (headers 0123456789ab)." +
            rebuild);
    Stamp many = host();
    std::strcpy(many.torch, "2.4.0");
    many.cxx11abi = 0;
    many.glibcxx_debug = 1;
    EXPECT_EQ(
        refusal(many),
        "libmy.so was built for LibTorch 2.4.0, _GLIBCXX_USE_CXX11_ABI=0, _GLIBCXX_DEBUG; this "
        "ailab-run uses LibTorch 2.11.0, _GLIBCXX_USE_CXX11_ABI=1, no _GLIBCXX_DEBUG." +
            rebuild);
}

TEST(StampCheck, OnlyWarnsOfAnotherBuildType) {
    Stamp plugin = host();
    std::strcpy(plugin.build, "debug");
    EXPECT_EQ(refusal(plugin), "");
    EXPECT_EQ(
        stamp_warning("libmy.so", plugin, host()),
        "libmy.so is a debug build and this ailab-run a release build: it works, but speed and "
        "checks differ. Set CMAKE_BUILD_TYPE alike to silence this.");
}

TEST(StampCheck, ReadsAStampBack) {
    const Stamp stamp = read_stamp("libmy.so", section(host()));
    EXPECT_EQ(stamp_text(stamp.torch), "2.11.0");
    EXPECT_EQ(stamp.cxx11abi, 1u);
}

TEST(StampCheck, AnOlderShorterStampDiffersInWhatItLacks) {
    Stamp old = host();
    old.size = offsetof(Stamp, abi);
    const Stamp stamp = read_stamp("libmy.so", section(old, old.size));
    EXPECT_EQ(stamp_text(stamp.torch), "");
    EXPECT_NE(refusal(stamp), "");
}

TEST(StampCheck, RefusesNoStampAndADamagedOne) {
    EXPECT_EQ(error_of([] { read_stamp("libmy.so", ""); }),
              "libmy.so is not an ailab plugin: it has no ailab stamp. Put AILAB_PLUGIN(...) in "
              "exactly one .cpp, or check that --plugins names the right file.");
    Stamp magic = host();
    magic.magic[0] = 'X';
    Stamp large = host();
    large.size = sizeof(Stamp) + 1;
    Stamp small = host();
    small.size = 3;
    for (const std::string& bytes :
         {section(magic), section(large), section(small), section(host(), 9), section(host(), 200)})
        EXPECT_EQ(error_of([&] { read_stamp("libmy.so", bytes); }),
                  "libmy.so has a damaged ailab stamp. Build or copy it again.");
}

}  // namespace
}  // namespace ailab::plugin
