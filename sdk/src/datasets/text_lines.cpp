#include "ailab/datasets/record_source.hpp"

namespace ailab {

void TextLines::Options::visit(OptionVisitor& v) {
    v.required("annotation_file", annotation_file, "an entry a line");
    v.option("columns", columns,
             "names of the words of a line; the first takes what is left of it, blanks included");
    v.rule([this] { return columns.empty() ? "columns names at least one column" : ""; });
}

TextLines::TextLines(const Options& options)
    : LineFile(options.annotation_file), columns_(options.columns) {
    check_lines();
}

Record TextLines::record(int64_t index) const {
    constexpr const char* blanks = " \t";
    const std::string text = line(index);
    const size_t first = text.find_first_not_of(blanks);
    size_t end = text.find_last_not_of(blanks) + 1;
    std::vector<std::string> words(columns_.size());
    for (size_t i = columns_.size(); i-- > 1;) {
        const size_t blank = end == 0 ? std::string::npos : text.find_last_of(blanks, end - 1);
        if (blank == std::string::npos || blank < first)
            throw BrokenSample(node_place(index), concat("expected ", columns_.size(), " words (",
                                                         join(columns_), "), got \"", text, "\""));
        words[i] = text.substr(blank + 1, end - blank - 1);
        end = text.find_last_not_of(blanks, blank) + 1;
    }
    words[0] = text.substr(first, end - first);
    Node values = Node::map({}, node_place(index));
    for (size_t i = 0; i < words.size(); ++i) values.set(columns_[i], Node::string(words[i]));
    return Record(std::move(values));
}

}  // namespace ailab
