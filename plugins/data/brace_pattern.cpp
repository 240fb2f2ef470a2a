#include "brace_pattern.hpp"

#include <glob.h>

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr size_t most = 1'000'000;  // names

bool is_digits(const std::string& text) {
    return !text.empty() && text.size() < 18 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// What stands between two braces: "0000..0099", or "a,b".
std::vector<std::string> alternatives(const std::string& inside, const std::string& pattern) {
    std::vector<std::string> found;
    const size_t dots = inside.find("..");
    if (dots != std::string::npos) {
        const std::string first = inside.substr(0, dots), last = inside.substr(dots + 2);
        if (!is_digits(first) || !is_digits(last) || std::stoll(last) < std::stoll(first) ||
            size_t(std::stoll(last) - std::stoll(first)) >= most)
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
    std::vector<std::string> names(1);
    for (size_t at = 0; at < pattern.size();) {
        const size_t open = std::min(pattern.find('{', at), pattern.size());
        for (std::string& name : names) name.append(pattern, at, open - at);
        if (open == pattern.size()) break;
        const size_t close = pattern.find('}', open);
        if (close == std::string::npos)
            throw ConfigError(concat("the { in ", pattern, " is not closed"));
        const std::vector<std::string> middles =
            alternatives(pattern.substr(open + 1, close - open - 1), pattern);
        if (middles.size() > most / names.size())
            throw ConfigError(concat(pattern, " stands for more than ", most, " files"));
        std::vector<std::string> longer;
        for (const std::string& name : names)
            for (const std::string& middle : middles) longer.push_back(name + middle);
        names = std::move(longer);
        at = close + 1;
    }
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
