#include "csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ailab/error.hpp"

namespace ailab {
namespace {

std::string number_text(double value) {
    if (std::isnan(value)) return "nan";
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

std::vector<std::string> cells(const std::string& line) {
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

CsvTable::CsvTable(std::string path, double last) : path_(std::move(path)) {
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    read(last);
    if (!columns_.empty()) rewrite();
}

void CsvTable::read(double last) {
    std::ifstream file(path_, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    text.resize(text.rfind('\n') + 1);  // 0 where there is none
    std::istringstream lines(text);
    std::string line;
    if (!std::getline(lines, line)) return;
    columns_ = cells(line);
    while (std::getline(lines, line)) {
        const std::vector<std::string> values = cells(line);
        if (values.size() != columns_.size()) continue;
        Row row;
        for (size_t i = 0; i < values.size(); ++i)
            if (!values[i].empty())
                row.emplace_back(columns_[i], std::strtod(values[i].c_str(), nullptr));
        if (!row.empty() && row[0].second <= last) rows_.push_back(std::move(row));
    }
}

std::string CsvTable::line(const Row& row) const {
    std::vector<std::string> texts;
    for (const std::string& column : columns_) {
        const auto value = std::find_if(row.begin(), row.end(), [&](const auto& entry) {
            return as_column(entry.first) == column;
        });
        texts.push_back(value == row.end() ? "" : number_text(value->second));
    }
    return join(texts, ",") + "\n";
}

/// Complete, or as it was before.
void CsvTable::rewrite() const {
    const std::string fresh = path_ + ".tmp";
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << join(columns_, ",") << '\n';
    for (const Row& row : rows_) file << line(row);
    file.close();
    std::error_code error;
    if (file) std::filesystem::rename(fresh, path_, error);
    if (!file || error) throw Error(concat("cannot write ", path_));
}

void CsvTable::add(const Row& row) {
    bool is_new = false;
    for (const auto& [name, value] : row)
        if (std::find(columns_.begin(), columns_.end(), as_column(name)) == columns_.end()) {
            columns_.push_back(as_column(name));
            is_new = true;
        }
    rows_.push_back(row);
    if (is_new) return rewrite();
    std::ofstream file(path_, std::ios::binary | std::ios::app);
    file << line(row) << std::flush;
    if (!file) throw Error(concat("cannot write ", path_));
}

}  // namespace ailab
