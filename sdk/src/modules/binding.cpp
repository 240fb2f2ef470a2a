#include "ailab/binding.hpp"

#include <algorithm>
#include <array>

namespace ailab {

namespace {

/// The spellings that users of losses and metrics know, for the same two inputs.
struct Alias {
    const char* spelling;
    const char* input;
};
constexpr std::array aliases = {Alias{"pred", "output"},   Alias{"preds", "output"},
                                Alias{"input", "output"},  Alias{"label", "target"},
                                Alias{"labels", "target"}, Alias{"targets", "target"}};

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// The input that a mapping key means, or "".
std::string input_of(const std::string& key, const std::vector<std::string>& inputs) {
    if (contains(inputs, key)) return key;
    for (const Alias& alias : aliases)
        if (key == alias.spelling && contains(inputs, alias.input)) return alias.input;
    return "";
}

/// The field that an input is taken from, or else.
struct Source {
    std::string field;
    bool or_label;  // where there is no such field
};
Source source_of(const std::string& input, const std::vector<std::string>& inputs,
                 const Binding& binding) {
    for (const auto& [key, field] : binding.mapping)
        if (input_of(key, inputs) == input) return {field, false};
    return {input, input == "target"};
}

/// The same among those that there are.
template <class Has>
std::string field_of(const std::string& input, const std::vector<std::string>& inputs,
                     const Binding& binding, const Has& has) {
    const Source source = source_of(input, inputs, binding);
    return source.or_label && !has(source.field) && has("label") ? "label" : source.field;
}

std::string missing(const std::string& what, const std::string& input, const std::string& field,
                    const std::vector<std::string>& known, const std::string& shown) {
    std::string text = concat(what, " takes \"", input, "\"");
    if (field != input) text += concat(" from field \"", field, "\"");
    text += concat(", which is not there; the fields are ", shown);
    if (const std::string near = nearest_name(field, known); !near.empty())
        text += concat("; did you mean \"", near, "\"?");
    else
        text += ".";
    return text + concat(" Bind it with mapping: {", input, ": <field>}.");
}

/// The field of the batch; throws Error where it has none.
const BatchField& find_input(const Batch& batch, const std::string& input, const std::string& field,
                             bool or_label, const std::string& what) {
    auto found = batch.fields.find(field);
    if (found == batch.fields.end() && or_label) found = batch.fields.find("label");
    if (found != batch.fields.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& entry : batch.fields) known.push_back(entry.first);
    throw Error(missing(what, input, field, known, batch.describe()));
}

void copy_sizes(const Batch& from, Batch& to) {
    to.ids = from.ids;
    to.size = from.size;
    to.global_size = from.global_size;
}

}  // namespace

InputBinding::InputBinding(std::vector<std::string> inputs, const Binding& binding,
                           std::string what)
    : names_(std::move(inputs)), what_(std::move(what)) {
    for (const std::string& name : names_) {
        auto [field, or_label] = source_of(name, names_, binding);
        inputs_.push_back({std::move(field), or_label, &bound_.fields[name]});
    }
}

std::vector<std::string> InputBinding::fields() const {
    std::vector<std::string> fields;
    for (const Input& input : inputs_) fields.push_back(input.field);
    return fields;
}

InputBinding::Bound InputBinding::bind(const Batch& batch) {
    try {
        for (size_t i = 0; i < inputs_.size(); ++i)
            *inputs_[i].bound =
                find_input(batch, names_[i], inputs_[i].field, inputs_[i].or_label, what_);
    } catch (const Error&) {
        const Bound let_go(bound_);
        throw;
    }
    copy_sizes(batch, bound_);
    return Bound(bound_);
}

InputBinding::Bound::~Bound() {
    for (auto& [name, field] : batch_.fields) field = Tensor();
}

Batch bind_inputs(const Batch& batch, const std::vector<std::string>& inputs,
                  const Binding& binding, const std::string& what) {
    Batch bound;
    for (const std::string& input : inputs) {
        const auto [field, or_label] = source_of(input, inputs, binding);
        bound.fields.emplace(input, find_input(batch, input, field, or_label, what));
    }
    copy_sizes(batch, bound);
    return bound;
}

void check_binding(const std::vector<std::string>& fields, const std::vector<std::string>& inputs,
                   const ModuleConfig& config, const std::string& what, Problems& problems) {
    for (const auto& [key, field] : config.binding.mapping)
        if (input_of(key, inputs).empty())
            problems.add(config.place, concat(what, " has no input \"", key, "\" to map; it takes ",
                                              join(inputs)));
    if (fields.empty()) return;
    const auto has = [&](const std::string& name) { return contains(fields, name); };
    for (const std::string& input : inputs) {
        const std::string field = field_of(input, inputs, config.binding, has);
        if (!has(field))
            problems.add(config.place, missing(what, input, field, fields, join(fields)));
    }
}

}  // namespace ailab
