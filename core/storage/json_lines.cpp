#include "ailab/datasets/storage.hpp"
#include "config/formats.hpp"

namespace ailab {

void JsonLines::Options::visit(OptionVisitor& v) {
    v.required("annotation_file", annotation_file, "a JSON object a line");
}

JsonLines::JsonLines(const Options& options) : LineFile(options.annotation_file) {
    check_lines();
}

Record JsonLines::record(int64_t index) const {
    Node values;
    try {
        values = from_json(line(index), place(index));
    } catch (const Error& error) {
        // It begins with its source, as BrokenSample will.
        const size_t begin = place(index).size() + 2;
        throw BrokenSample(node_place(index), std::string(error.what()).substr(begin));
    }
    values.place = node_place(index);
    if (!values.is_map())
        throw BrokenSample(values.place,
                           concat("a line must be a JSON object, got ", values.describe()));
    return Record(std::move(values));
}

}  // namespace ailab
