#include "csv_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "ailab/error.hpp"
#include "ailab/number_text.hpp"

namespace ailab {
namespace {

std::string number_text(double value) {
    if (std::isnan(value)) return "nan";
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
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

CsvTable::CsvTable(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    read();
}

void CsvTable::read() {
    std::ifstream file(path_, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    is_torn_ = !text.empty() && !text.ends_with('\n');
    text.resize(text.rfind('\n') + 1);  // 0 where there is none
    std::istringstream lines(text);
    std::string line;
    if (!std::getline(lines, line)) return;
    columns_ = cells_of(line);
    while (std::getline(lines, line)) {
        std::vector<std::string> row = cells_of(line);
        if (row.size() == columns_.size())
            rows_.push_back(std::move(row));
        else
            is_torn_ = true;
    }
}

bool CsvTable::cut(const Extent& extent) {
    const Extent present = this->extent();
    if (present.rows < extent.rows || present.columns < extent.columns) return false;
    if (present.rows == extent.rows && present.columns == extent.columns) return true;
    rows_.resize(size_t(extent.rows));
    columns_.resize(size_t(extent.columns));
    for (auto& row : rows_) row.resize(std::min(row.size(), columns_.size()));
    rewrite();
    return true;
}

void CsvTable::cut_behind(double last) {
    std::erase_if(rows_, [&](const auto& row) {
        const auto number = row.empty() ? std::nullopt : parse_number(row[0]);
        return !number || *number > last;
    });
    rewrite();
}

std::string CsvTable::line(const std::vector<std::string>& cells) const {
    std::vector<std::string> all = cells;
    all.resize(columns_.size());
    return join(all, ",") + "\n";
}

/// Complete, or as it was before.
void CsvTable::rewrite() {
    std::error_code error;
    if (columns_.empty()) {
        std::filesystem::remove(path_, error);
        if (error) throw Error(concat("cannot remove ", path_, ": ", error.message()));
        return;
    }
    const std::string fresh = concat(path_, ".tmp-", int64_t(getpid()));
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << join(columns_, ",") << '\n';
    for (const auto& row : rows_) file << line(row);
    file.close();
    if (file) std::filesystem::rename(fresh, path_, error);
    is_torn_ = !file || error;
    if (is_torn_) throw Error(concat("cannot write ", path_));
}

void CsvTable::add(const Row& row) {
    bool is_new = false;
    std::vector<std::string> cells(columns_.size());
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
    rows_.push_back(std::move(cells));
    if (is_new || is_torn_) return rewrite();
    std::ofstream file(path_, std::ios::binary | std::ios::app);
    file << line(rows_.back()) << std::flush;
    is_torn_ = !file;
    if (is_torn_) throw Error(concat("cannot write ", path_));
}

}  // namespace ailab
