#include <algorithm>
#include <string_view>

#include "about_delimiter.hpp"
#include "ailab/datasets/record_source.hpp"

namespace ailab {

namespace {

/// Calls `take(number, field)` for the fields of one line, until it gives false: quotes may stand
/// around a field, and "" in it is one quote.
template <class Take>
void for_each_field(std::string_view line, char delimiter, const Place& place, const Take& take) {
    size_t at = 0;
    for (size_t number = 0;; ++number) {
        std::string field;
        bool quoted = false;
        // Of most fields this takes all.
        if (at < line.size() && line[at] != '"') {
            const size_t end = std::min(line.find(delimiter, at), line.size());
            field.assign(line, at, end - at);
            at = end;
        }
        for (; at < line.size() && (quoted || line[at] != delimiter); ++at) {
            const char c = line[at];
            if (quoted && c == '"' && at + 1 < line.size() && line[at + 1] == '"')
                field += line[++at];
            else if (c == '"' && (quoted || field.empty()))
                quoted = !quoted;
            else
                field += c;
        }
        if (quoted)
            throw BrokenSample(place,
                               "a quote is not closed in this line. Fields with line breaks are "
                               "not read");
        if (!take(number, std::move(field)) || at >= line.size()) return;
        ++at;
    }
}

/// For messages: tables may have thousands of columns.
std::string some_of(const std::vector<std::string>& columns) {
    constexpr size_t most = 10;
    if (columns.size() <= most) return join(columns);
    return join({columns.begin(), columns.begin() + most}) + ", …";
}

char delimiter_of(const std::string& text) {
    return text == "\\t" || text == "tab" ? '\t' : text[0];
}

}  // namespace

void CsvTable::Options::visit(OptionVisitor& v) {
    v.required("annotation_file", annotation_file, "a table whose first line names the columns");
    v.option("delimiter", delimiter, "between fields: one character, or tab");
    v.rule([this] {
        const bool tab = delimiter == "tab" || delimiter == "\\t";
        return delimiter.size() == 1 || tab ? "" : "delimiter is one character, or tab";
    });
}

CsvTable::CsvTable(const Options& options)
    : LineFile(options.annotation_file), delimiter_(delimiter_of(options.delimiter)) {
    if (size() == 0)
        throw ConfigError(
            concat(options.annotation_file, " is empty: its first line must name the columns"));
    for_each_field(line(0), delimiter_, node_place(0), [&](size_t number, std::string column) {
        if (!numbers_.emplace(column, number).second)
            throw ConfigError({{node_place(0), concat("two columns are named \"", column, "\"")}});
        columns_.push_back(std::move(column));
        return true;
    });
    drop_first();
    const std::string advice = about_delimiter(columns_);
    for (int64_t i = 0; !advice.empty() && i < size(); ++i) {
        try {
            check_width(i);
        } catch (const BrokenSample& error) {  // the others are of the same cause
            throw ConfigError({{error.problem().place, error.problem().text + advice}});
        }
    }
    check_lines([this](int64_t index) { check_width(index); });
}

void CsvTable::check_width(int64_t index) const {
    size_t count = 0;
    for_each_field(line(index), delimiter_, node_place(index), [&](size_t, const std::string&) {
        ++count;
        return true;
    });
    if (count != columns_.size())
        throw BrokenSample(node_place(index), concat("expected ", columns_.size(), " fields (",
                                                     some_of(columns_), "), got ", count));
}

Record CsvTable::record(int64_t index) const {
    const Place place = node_place(index);
    Node values = Node::map({}, place);
    Node::Map& members = values.members();
    members.reserve(columns_.size());
    for_each_field(line(index), delimiter_, place, [&](size_t number, std::string field) {
        if (number < columns_.size())
            members.push_back({columns_[number], {}, Node::string(std::move(field))});
        return true;
    });
    return Record(std::move(values));
}

Record CsvTable::part(int64_t index, const std::vector<std::string>& keys) const {
    std::vector<size_t> wanted;
    for (const std::string& key : keys) {
        const auto found = numbers_.find(key);
        if (found == numbers_.end()) return record(index);  // which says what there is
        wanted.push_back(found->second);
    }
    std::sort(wanted.begin(), wanted.end());
    const Place place = node_place(index);
    Node values = Node::map({}, place);
    auto next = wanted.begin();
    if (next == wanted.end()) return Record(std::move(values));
    for_each_field(line(index), delimiter_, place, [&](size_t number, std::string field) {
        if (number < *next) return true;
        values.members().push_back({columns_[number], {}, Node::string(std::move(field))});
        next = std::upper_bound(next, wanted.end(), number);
        return next != wanted.end();
    });
    return Record(std::move(values));
}

}  // namespace ailab
