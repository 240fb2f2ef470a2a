#include "csv_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "trackers/stored_text.hpp"

namespace ailab {
namespace {

std::string number_text(double value) {
    if (std::isnan(value)) return "nan";
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

/// Why the last call failed.
std::string reason() {
    return errno == 0 ? "" : concat(": ", std::strerror(errno));
}

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> result;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) result.push_back(cell);
    if (line.ends_with(',')) result.emplace_back();
    return result;
}

/// Names have no commas in files of ours.
std::string as_column(std::string name) {
    for (char& c : name)
        if (c == ',' || c == '"' || c == '\n' || c == '\r') c = '_';
    return name;
}

}  // namespace

CsvLog::CsvLog(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    std::error_code none;
    if (std::filesystem::is_directory(path_, none))
        throw Error(concat("cannot write ", path_, ": it is a folder"));
    Content content = read();
    columns_ = std::move(content.columns);
    rows_ = int64_t(content.rows.size());
    is_torn_ = content.is_torn;
}

CsvLog::Content CsvLog::read() const {
    std::string text = stored_text(path_);
    Content content;
    content.is_torn = !text.empty() && !text.ends_with('\n');
    text.resize(text.rfind('\n') + 1);  // 0 where there is none
    std::istringstream lines(text);
    std::string line;
    if (!std::getline(lines, line)) return content;
    content.columns = cells_of(line);
    while (std::getline(lines, line)) {
        Cells row = cells_of(line);
        if (row.size() == content.columns.size())
            content.rows.push_back(std::move(row));
        else
            content.is_torn = true;
    }
    return content;
}

bool CsvLog::cut(const Extent& extent) {
    const Extent present = this->extent();
    if (present.rows < extent.rows || present.columns < extent.columns) return false;
    if (present.rows == extent.rows && present.columns == extent.columns) return true;
    std::vector<Cells> rows = read().rows;
    rows.resize(size_t(extent.rows));
    columns_.resize(size_t(extent.columns));
    for (Cells& row : rows) row.resize(std::min(row.size(), columns_.size()));
    rewrite(rows);
    return true;
}

void CsvLog::cut_behind(double last) {
    std::vector<Cells> rows = read().rows;
    std::erase_if(rows, [&](const Cells& row) {
        const auto number = row.empty() ? std::nullopt : parse_number(row[0]);
        return !number || *number > last;
    });
    rewrite(rows);
}

std::string CsvLog::line(Cells cells) const {
    cells.resize(columns_.size());
    return join(cells, ",") + "\n";
}

/// Complete, or as it was before.
void CsvLog::rewrite(const std::vector<Cells>& rows) {
    std::error_code error;
    if (columns_.empty()) {
        std::filesystem::remove(path_, error);
        if (error) throw Error(concat("cannot remove ", path_, ": ", error.message()));
        rows_ = 0;
        return;
    }
    is_torn_ = true;
    const std::string fresh = concat(path_, ".tmp-", int64_t(getpid()));
    errno = 0;
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << join(columns_, ",") << '\n';
    for (const Cells& row : rows) file << line(row);
    file.close();
    if (!file) {
        const std::string why = reason();
        std::filesystem::remove(fresh, error);
        throw Error(concat("cannot write ", path_, why));
    }
    std::filesystem::rename(fresh, path_, error);
    if (error) throw Error(concat("cannot write ", path_, ": ", error.message()));
    rows_ = int64_t(rows.size());
    is_torn_ = false;
}

void CsvLog::add(const Row& row) {
    bool is_new = false;
    Cells cells(columns_.size());
    for (const auto& [name, value] : row) {
        const std::string column = as_column(name);
        const auto found = std::find(columns_.begin(), columns_.end(), column);
        if (found != columns_.end()) {
            cells[size_t(found - columns_.begin())] = number_text(value);
            continue;
        }
        columns_.push_back(column);
        cells.push_back(number_text(value));
        is_new = true;
    }
    waiting_.push_back(std::move(cells));
    if (is_new || is_torn_) {
        std::vector<Cells> rows = read().rows;
        rows.insert(rows.end(), waiting_.begin(), waiting_.end());
        rewrite(rows);
    } else {
        errno = 0;
        std::ofstream file(path_, std::ios::binary | std::ios::app);
        file << line(waiting_.back()) << std::flush;
        is_torn_ = !file;
        if (is_torn_) throw Error(concat("cannot write ", path_, reason()));
        ++rows_;
    }
    waiting_.clear();
}

}  // namespace ailab
