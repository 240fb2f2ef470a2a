#include <algorithm>
#include <filesystem>

#include "ailab/datasets/record_source.hpp"
#include "ailab/support/crc32c.hpp"
#include "ailab/support/watched_file.hpp"

namespace ailab {

RecordSource::~RecordSource() = default;

Record RecordSource::part(int64_t index, const std::vector<std::string>&) const {
    return record(index);
}

DataDigest RecordSource::digest() const {
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
    void add(const Extent& entry) {
        if (entry.length > (uint64_t(1) << 30))
            throw ConfigError(
                concat(*source, ":", entry.number, ": this line is longer than 1 GiB"));
        lines.push_back({entry.begin, uint32_t(entry.length), uint32_t(entry.number)});
    }
    MappedFile file;
    std::shared_ptr<const std::string> source;
    std::vector<Line> lines;
};

namespace {

/// Calls `take(begin, end)` for each line: LF, CR LF and CR end one, as in Python's text files.
template <class Take>
void for_each_line(std::string_view text, size_t begin, const Take& take) {
    const auto find = [&](char c) { return std::min(text.find(c, begin), text.size()); };
    size_t feed = find('\n'), carriage = find('\r');
    while (begin < text.size()) {
        const size_t end = std::min(feed, carriage);
        take(begin, end);
        begin = end + (carriage < feed && feed == carriage + 1 ? 2 : 1);
        // Looked for only once passed: a file may have none of the one kind.
        if (feed < begin) feed = find('\n');
        if (carriage < begin) carriage = find('\r');
    }
}

}  // namespace

LineFile::LineFile(const std::string& path) : lines_(std::make_shared<Lines>(path)) {
    const std::string_view text = lines_->file.text();
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
        throw ConfigError(concat(path, " is written in UTF-16; save it as UTF-8"));
    const size_t first = text.starts_with("\xef\xbb\xbf") ? 3 : 0;  // a byte order mark
    uint64_t number = 0;
    for_each_line(text, first, [&](size_t begin, size_t end) {
        ++number;
        const std::string_view line = text.substr(begin, end - begin);
        if (line.find('\0') != line.npos)
            throw ConfigError(concat(path, ":", number,
                                     ": the character 0 is in no text; save the file as UTF-8"));
        if (line.find_first_not_of(" \t") != std::string_view::npos)
            lines_->add({begin, line.size(), number});
    });
    lines_->file.check();
}

std::string_view LineFile::file_text() const {
    return lines_->file.text();
}

void LineFile::replace_lines(const std::vector<Extent>& entries) {
    lines_->lines.clear();
    for (const Extent& entry : entries) lines_->add(entry);
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
    check_lines([this](int64_t index) { record(index); });
}

void LineFile::check_lines(const std::function<void(int64_t)>& read) const {
    constexpr size_t most = 5;
    Problems problems;
    for (int64_t i = 0; i < size() && problems.size() < most; ++i) {
        try {
            read(i);
        } catch (const BrokenSample& error) {
            problems.add(error.problem().place, error.problem().text);
        }
    }
    lines_->file.check();
    problems.check();
}

}  // namespace ailab
