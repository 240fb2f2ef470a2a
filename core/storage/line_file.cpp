#include <algorithm>
#include <filesystem>

#include "ailab/crc32c.hpp"
#include "ailab/datasets/storage.hpp"
#include "ailab/watched_file.hpp"

namespace ailab {

Storage::~Storage() = default;

DataDigest Storage::digest() const {
    return {{"records", std::to_string(size())}};
}

struct LineFile::Lines {
    explicit Lines(const std::string& path)
        : file(path), source(std::make_shared<const std::string>(path)) {}

    struct Line {
        uint64_t begin = 0;
        uint32_t length = 0;
        uint32_t number = 0;  // in the file, from 1
    };
    MappedFile file;
    std::shared_ptr<const std::string> source;
    std::vector<Line> lines;
};

LineFile::LineFile(const std::string& path) : lines_(std::make_shared<Lines>(path)) {
    const std::string_view text = lines_->file.text();
    size_t begin = text.starts_with("\xef\xbb\xbf") ? 3 : 0;  // a byte order mark
    for (uint32_t number = 1; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        size_t last = end;
        if (last > begin && text[last - 1] == '\r') --last;
        const std::string_view line = text.substr(begin, last - begin);
        if (line.size() > (uint32_t(1) << 30))
            throw ConfigError(concat(path, ":", number, ": this line is longer than 1 GiB"));
        if (line.find_first_not_of(" \t") != std::string_view::npos)
            lines_->lines.push_back({begin, uint32_t(line.size()), number});
        begin = end + 1;
    }
    lines_->file.check();
}

int64_t LineFile::size() const {
    return int64_t(lines_->lines.size());
}

Place LineFile::node_place(int64_t index) const {
    return {lines_->source, int(lines_->lines.at(size_t(index)).number), 0};
}

std::string LineFile::place(int64_t index) const {
    return concat(*lines_->source, ":", lines_->lines.at(size_t(index)).number);
}

std::string LineFile::line(int64_t index) const {
    const Lines::Line& at = lines_->lines.at(size_t(index));
    return std::string(lines_->file.text().substr(at.begin, at.length));
}

DataDigest LineFile::digest() const {
    const std::string_view text = lines_->file.text();
    return {{std::filesystem::path(*lines_->source).filename().string(),
             concat(text.size(), " bytes, CRC-32C ", crc32c(text.data(), text.size()))}};
}

void LineFile::drop_first() {
    if (!lines_->lines.empty()) lines_->lines.erase(lines_->lines.begin());
}

void LineFile::check_lines() const {
    constexpr size_t most = 5;
    Problems problems;
    for (int64_t i = 0; i < size() && problems.size() < most; ++i) {
        try {
            record(i);
        } catch (const BrokenSample& error) {
            problems.add(error.problem().place, error.problem().text);
        }
    }
    lines_->file.check();
    problems.check();
}

}  // namespace ailab
