#include "brace_pattern.hpp"

#include <glob.h>

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab {
namespace {

bool is_digits(const std::string& text) {
    return !text.empty() && text.size() < 18 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// What stands between two braces: "0000..0099", or "a,b".
std::vector<std::string> alternatives(const std::string& inside, const std::string& pattern) {
    constexpr int64_t most = 1'000'000;
    std::vector<std::string> found;
    const size_t dots = inside.find("..");
    if (dots != std::string::npos) {
        const std::string first = inside.substr(0, dots), last = inside.substr(dots + 2);
        if (!is_digits(first) || !is_digits(last) || std::stoll(last) < std::stoll(first) ||
            std::stoll(last) - std::stoll(first) >= most)
            throw ConfigError(concat("{", inside, "} in ", pattern,
                                     " is no range of numbers such as {0000..0099}"));
        for (int64_t n = std::stoll(first); n <= std::stoll(last); ++n) {
            const std::string digits = std::to_string(n);
            found.push_back(std::string(first.size() - std::min(first.size(), digits.size()), '0') +
                            digits);
        }
        return found;
    }
    for (size_t begin = 0; begin <= inside.size();) {
        const size_t end = std::min(inside.find(',', begin), inside.size());
        found.push_back(inside.substr(begin, end - begin));
        begin = end + 1;
    }
    return found;
}

std::vector<std::string> expand_braces(const std::string& pattern) {
    const size_t open = pattern.find('{');
    if (open == std::string::npos) return {pattern};
    const size_t close = pattern.find('}', open);
    if (close == std::string::npos)
        throw ConfigError(concat("the { in ", pattern, " is not closed"));
    std::vector<std::string> names;
    for (const std::string& middle :
         alternatives(pattern.substr(open + 1, close - open - 1), pattern))
        for (const std::string& rest : expand_braces(pattern.substr(close + 1)))
            names.push_back(pattern.substr(0, open) + middle + rest);
    return names;
}

std::vector<std::string> expand_wildcards(const std::string& name) {
    if (name.find_first_of("*?") == std::string::npos) return {name};
    struct Matches : glob_t {
        ~Matches() { globfree(this); }
    } matches{};
    const int status = glob(name.c_str(), 0, nullptr, &matches);
    if (status != 0)
        throw ConfigError(
            concat(name, status == GLOB_NOMATCH ? " matches no file" : " cannot be searched"));
    return {matches.gl_pathv, matches.gl_pathv + matches.gl_pathc};
}

}  // namespace

std::vector<std::string> expand_pattern(const std::string& pattern) {
    std::vector<std::string> files;
    for (const std::string& name : expand_braces(pattern))
        for (std::string& file : expand_wildcards(name)) files.push_back(std::move(file));
    return files;
}

}  // namespace ailab
