#include "cpu_quota.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "ailab/support/number_text.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

Words split(const std::string& text, char separator) {
    Words words;
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(separator, begin), text.size());
        words.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

bool contains(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

Words lines_of(const fs::path& path) {
    std::ifstream file(path);
    Words lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

/// A hierarchy that limits time on the processor: where it is mounted, and what of it.
struct Hierarchy {
    bool v2 = false;
    std::string root, mount_point;
};

/// proc(5): ID parent device ROOT MOUNT_POINT options [optional…] - TYPE source SUPER_OPTIONS
std::vector<Hierarchy> mounted(const std::string& root) {
    std::vector<Hierarchy> found;
    for (const std::string& line : lines_of(root + "/proc/self/mountinfo")) {
        const size_t dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const Words front = split(line.substr(0, dash), ' '),
                    back = split(line.substr(dash + 3), ' ');
        if (front.size() < 5 || back.size() < 3) continue;
        const bool v2 = back[0] == "cgroup2";
        if (v2 || (back[0] == "cgroup" && contains(split(back[2], ','), "cpu")))
            found.push_back({v2, front[3], front[4]});
    }
    return found;
}

/// The process's group in the hierarchy, as its path there.
std::string group_of(const std::string& root, bool v2) {
    for (const std::string& line : lines_of(root + "/proc/self/cgroup")) {
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (v2 ? controllers.empty() : contains(split(controllers, ','), "cpu"))
            return line.substr(second + 1);
    }
    return "/";
}

/// The part of the group's path below what is mounted; "" where that is not told: a container may
/// know its group by a path that it does not see.
std::string below(const std::string& group, const std::string& mounted_root) {
    if (mounted_root == "/") return group;
    if (!group.starts_with(mounted_root)) return "";
    const std::string rest = group.substr(mounted_root.size());
    return rest.empty() || rest[0] == '/' ? rest : "";
}

std::optional<double> first_number(const fs::path& path, size_t index = 0) {
    const Words lines = lines_of(path);
    if (lines.empty()) return std::nullopt;
    const Words words = split(lines[0], ' ');
    return index < words.size() ? parse_number(words[index]) : std::nullopt;
}

/// Of one group alone; "max" and -1 are none.
std::optional<double> limit_of(const fs::path& folder, bool v2) {
    const auto quota = first_number(folder / (v2 ? "cpu.max" : "cpu.cfs_quota_us"));
    const auto period =
        v2 ? first_number(folder / "cpu.max", 1) : first_number(folder / "cpu.cfs_period_us");
    if (!quota || !period || !(*quota > 0) || !(*period > 0)) return std::nullopt;
    return *quota / *period;
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
    std::optional<double> least;
    for (const Hierarchy& hierarchy : mounted(root)) {
        const fs::path top = root + hierarchy.mount_point;
        const std::string inside = below(group_of(root, hierarchy.v2), hierarchy.root);
        fs::path folder = (top / fs::path(inside).relative_path()).lexically_normal();
        for (;; folder = folder.parent_path()) {
            if (const auto limit = limit_of(folder, hierarchy.v2))
                least = std::min(*limit, least.value_or(*limit));
            if (folder == top || folder.string().size() <= top.string().size()) break;
        }
    }
    return least;
}

}  // namespace ailab
