#include "plugin/stamp_check.hpp"

#include <cstring>
#include <vector>

#include "ailab/error.hpp"
#include "plugin/search_path.hpp"

namespace ailab::plugin {
namespace {

/// One field in which two stamps differ, as both of them have it.
struct Difference {
    std::string plugin;
    std::string host;
};

std::string describe_abi(const Stamp& stamp) {
    return concat("the SDK of ailab ", stamp_text(stamp.core), " (headers ",
                  stamp_text(stamp.abi).substr(0, 12), ")");
}

std::vector<Difference> fatal_differences(const Stamp& plugin, const Stamp& host) {
    std::vector<Difference> found;
    auto compare = [&](const std::string& a, const std::string& b) {
        if (a != b) found.push_back({a, b});
    };
    compare("LibTorch " + stamp_text(plugin.torch), "LibTorch " + stamp_text(host.torch));
    if (stamp_text(plugin.abi) != stamp_text(host.abi))
        found.push_back({describe_abi(plugin), describe_abi(host)});
    compare(concat("_GLIBCXX_USE_CXX11_ABI=", plugin.cxx11abi),
            concat("_GLIBCXX_USE_CXX11_ABI=", host.cxx11abi));
    compare(plugin.glibcxx_debug ? "_GLIBCXX_DEBUG" : "no _GLIBCXX_DEBUG",
            host.glibcxx_debug ? "_GLIBCXX_DEBUG" : "no _GLIBCXX_DEBUG");
    return found;
}

}  // namespace

const Stamp& host_stamp() {
    static constexpr Stamp stamp = make_stamp();
    return stamp;
}

Stamp read_stamp(const std::string& path, const std::string& section) {
    if (section.empty())
        throw ConfigError(concat(path,
                                 " is not an ailab plugin: it has no ailab stamp. Put "
                                 "AILAB_PLUGIN(...) in exactly one .cpp, or check that "
                                 "--plugins names the right file."));
    Stamp stamp{};
    constexpr size_t head = sizeof stamp.magic + sizeof stamp.size;
    const bool has_head =
        section.size() >= head && section.compare(0, stamp_magic.size(), stamp_magic) == 0;
    if (has_head) std::memcpy(&stamp.size, section.data() + sizeof stamp.magic, sizeof stamp.size);
    if (!has_head || stamp.size < head || stamp.size > section.size())
        throw ConfigError(concat(path, " has a damaged ailab stamp. Build or copy it again."));
    // An older stamp is shorter: what it lacks stays empty, and then differs.
    std::memcpy(&stamp, section.data(), std::min<size_t>(stamp.size, sizeof stamp));
    return stamp;
}

void check_stamp(const std::string& path, const Stamp& plugin, const Stamp& host) {
    std::vector<std::string> theirs;
    std::vector<std::string> ours;
    for (Difference& difference : fatal_differences(plugin, host)) {
        theirs.push_back(std::move(difference.plugin));
        ours.push_back(std::move(difference.host));
    }
    if (theirs.empty()) return;
    throw ConfigError(concat(path, " was built for ", join(theirs), "; this ailab-run uses ",
                             join(ours), ". Rebuild it: cmake -B build -Dailab_DIR=",
                             cmake_package_folder(), " && cmake --build build"));
}

std::string stamp_warning(const std::string& path, const Stamp& plugin, const Stamp& host) {
    if (stamp_text(plugin.build) == stamp_text(host.build)) return "";
    return concat(path, " is a ", stamp_text(plugin.build), " build and this ailab-run a ",
                  stamp_text(host.build),
                  " build: it works, but speed and checks differ. Set "
                  "CMAKE_BUILD_TYPE alike to silence this.");
}

}  // namespace ailab::plugin
