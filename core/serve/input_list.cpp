#include "input_list.hpp"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "support/folder_chain.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

bool is_image_name(const fs::path& path) {
    const std::string extension = lower_case(path.extension().string());
    constexpr const char* known[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp"};
    return std::find(std::begin(known), std::end(known), extension) != std::end(known);
}

std::deque<std::string> images_below(const std::string& folder) {
    std::deque<std::string> files;
    const auto options = fs::directory_options::follow_directory_symlink;
    FolderChain chain;
    chain.enter(folder, 0);
    for (fs::recursive_directory_iterator it(folder, options), end; it != end; ++it) {
        std::error_code none;
        if (it->is_directory(none)) chain.enter(it->path().string(), size_t(it.depth()) + 1);
        if (is_image_name(it->path())) files.push_back(it->path().string());
    }
    std::sort(files.begin(), files.end());
    if (files.empty())
        throw Error(concat("there is no image (.jpg, .jpeg, .png, .webp, .bmp) in ", folder,
                           " or below it"));
    return files;
}

std::deque<std::string> matches(const std::string& pattern) {
    glob_t found{};
    const int status = glob(pattern.c_str(), GLOB_TILDE | GLOB_BRACE, nullptr, &found);
    std::deque<std::string> files;
    for (size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
    globfree(&found);
    if (status != 0 && status != GLOB_NOMATCH)
        throw Error(concat("the pattern ", pattern, " cannot be followed"));
    if (files.empty()) throw Error(concat("no file matches ", pattern));
    return files;
}

/// A file's own name may have these characters.
bool is_pattern(const std::string& word) {
    std::error_code ignored;
    return word.find_first_of("*?[{") != std::string::npos && !fs::exists(word, ignored);
}

std::deque<std::string> expand(const std::string& word) {
    std::error_code ignored;
    if (fs::is_directory(word, ignored)) return images_below(word);
    if (is_pattern(word)) return matches(word);
    return {word};
}

}  // namespace

InputList::InputList(std::vector<std::string> words) : words_(words.begin(), words.end()) {}

std::optional<int64_t> InputList::count() const {
    int64_t count = int64_t(files_.size());
    for (const std::string& word : words_) {
        if (word == "-") return std::nullopt;
        count += int64_t(expand(word).size());
    }
    return reads_stdin_ ? std::nullopt : std::optional(count);
}

std::optional<std::string> InputList::next() {
    for (;;) {
        if (reads_stdin_) {
            std::string line;
            if (std::getline(std::cin, line)) {
                if (!line.empty() && line.back() == '\r') line.pop_back();
                if (line.empty()) continue;
                if (line.find('\0') != std::string::npos)
                    throw Error(
                        "standard input holds the character 0, as of find -print0; give it a line "
                        "for each file");
                return line;
            }
            if (std::ferror(stdin))  // the rest of the list is not there
                throw Error(
                    concat("the list on standard input cannot be read: ", std::strerror(errno)));
            reads_stdin_ = false;
        }
        if (!files_.empty()) {
            std::string file = std::move(files_.front());
            files_.pop_front();
            return file;
        }
        if (words_.empty()) return std::nullopt;
        const std::string word = std::move(words_.front());
        words_.pop_front();
        if (word == "-")
            reads_stdin_ = true;
        else
            files_ = expand(word);
    }
}

}  // namespace ailab
