#include <set>

#include "ailab/datasets/storage.hpp"

namespace ailab {

namespace {

/// The fields of one line: quotes may stand around a field, and "" in it is one quote.
std::vector<std::string> split(const std::string& line, char delimiter, const Place& place) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
            fields.back() += line[++i];
        else if (c == '"' && (quoted || fields.back().empty()))
            quoted = !quoted;
        else if (c == delimiter && !quoted)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    if (quoted)
        throw BrokenSample(place,
                           "a quote is not closed in this line. Fields with line breaks are not "
                           "read");
    return fields;
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
    columns_ = split(line(0), delimiter_, node_place(0));
    std::set<std::string> seen;
    for (const std::string& column : columns_)
        if (!seen.insert(column).second)
            throw ConfigError({{node_place(0), concat("two columns are named \"", column, "\"")}});
    drop_first();
    check_lines();
}

Record CsvTable::record(int64_t index) const {
    const std::vector<std::string> fields = split(line(index), delimiter_, node_place(index));
    if (fields.size() != columns_.size())
        throw BrokenSample(node_place(index), concat("expected ", columns_.size(), " fields (",
                                                     join(columns_), "), got ", fields.size()));
    Node values = Node::map({}, node_place(index));
    for (size_t i = 0; i < fields.size(); ++i) values.set(columns_[i], Node::string(fields[i]));
    return Record(std::move(values));
}

}  // namespace ailab
