#include "pretrained.hpp"

#include "config/options_reader.hpp"
#include "regex_problem.hpp"

namespace ailab {
namespace {

void visit_keys(OptionVisitor& v, Pretrained& pretrained) {
    v.required("file", pretrained.file, "the file of the weights");
    v.option("prefix", pretrained.prefix,
             "only tensors whose names begin with it, by the rest of their names");
    v.option("mapping", pretrained.mapping,
             "regular expression over the file's names: what the part that matches becomes");
    v.rule([&pretrained] {
        for (const auto& [pattern, name] : pretrained.mapping)
            if (std::string problem = regex_problem("mapping", pattern); !problem.empty())
                return problem;
        return std::string();
    });
}

}  // namespace

OptionSchema OptionType<Pretrained>::schema() {
    Pretrained pretrained;
    return OptionSchema::either_of({OptionSchema::of(OptionSchema::Kind::string),
                                    OptionSchema::section_of(describe_options(
                                        [&](OptionVisitor& v) { visit_keys(v, pretrained); }))})
        .called("file, or map of file, prefix and mapping");
}

void OptionType<Pretrained>::read(const Node& node, Pretrained& field, const Bounds& bounds,
                                  const std::string& name, Problems& problems) {
    const size_t before = problems.size();
    if (node.is_map())
        read_options([&](OptionVisitor& v) { visit_keys(v, field); }, node,
                     {name, name, "key", node.place, {}}, problems);
    else if (node.is_list())
        detail::wrong_type(node, name, "a file, or a map of file, prefix and mapping", problems);
    else
        OptionType<std::string>::read(node, field.file, bounds, name, problems);
    if (problems.size() == before && field.file.empty())
        problems.add(node.place, name + " names no file. Give one, or leave the key out.");
}

Node OptionType<Pretrained>::write(const Pretrained& field) {
    if (field.prefix.empty() && field.mapping.empty()) return Node::string(field.file);
    Pretrained copy = field;
    return write_options([&](OptionVisitor& v) { visit_keys(v, copy); });
}

}  // namespace ailab
