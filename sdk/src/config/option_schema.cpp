#include "ailab/option_schema.hpp"

#include <cmath>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

using Kind = OptionSchema::Kind;

std::string number_in_full(double value) {
    return is_written_in_full(value) ? concat(int64_t(value)) : concat(value);
}

/// Each of the types in words, by `say`.
template <class Say>
std::string any_of(const std::vector<OptionSchema>& types, Say say) {
    std::vector<std::string> texts;
    for (const OptionSchema& type : types) texts.push_back(say(type));
    return join(texts, " or ");
}

/// `"random"` of a string that is one of a few, where it stands beside other types.
std::string alternative(const OptionSchema& type, const std::string& otherwise) {
    if (type.kind != Kind::string || type.bounds.choices.empty() || !type.words.empty())
        return otherwise;
    std::vector<std::string> quoted;
    for (const std::string& choice : type.bounds.choices) quoted.push_back(in_quotes(choice));
    return join(quoted, " or ");
}

std::string name_of(const OptionSchema& type) {
    if (!type.words.empty()) return type.words;
    switch (type.kind) {
        case Kind::anything:
            return "anything";
        case Kind::boolean:
            return "bool";
        case Kind::integer:
            return "integer";
        case Kind::number:
            return "number";
        case Kind::string:
            return "string";
        case Kind::list:
            return "list of " + type.parts[0].str();
        case Kind::tuple: {
            std::vector<std::string> places;
            for (const OptionSchema& place : type.parts) places.push_back(place.str());
            return "[" + join(places) + "]";
        }
        case Kind::map:
            return "map of " + type.parts[0].str();
        case Kind::section:
            return "section";
        case Kind::module:
            return "module (" + type.module_kind + ")";
        case Kind::either:
            return any_of(type.parts,
                          [](const OptionSchema& part) { return alternative(part, part.str()); });
    }
    return "";
}

std::string with_null(const OptionSchema& type, std::string words) {
    return type.nullable ? std::move(words) + " or null" : std::move(words);
}

std::string plural_name(const OptionSchema& type);

/// "numbers", "lists of strings"
std::string plural(const OptionSchema& type) {
    return with_null(type, type.words.empty() ? plural_name(type) : type.words);
}

std::string plural_name(const OptionSchema& type) {
    switch (type.kind) {
        case Kind::boolean:
            return "true and false";
        case Kind::integer:
            return "integers";
        case Kind::number:
            return "numbers";
        case Kind::string:
            return "strings";
        case Kind::list:
            return "lists of " + plural(type.parts[0]);
        case Kind::map:
            return "maps of " + plural(type.parts[0]);
        case Kind::section:
            return "sections";
        case Kind::module:
            return type.module_kind + " modules";
        default:
            return name_of(type);
    }
}

std::string phrase_of(const OptionSchema& type) {
    if (!type.words.empty()) return type.words;
    switch (type.kind) {
        case Kind::boolean:
            return "true or false";
        case Kind::integer:
            return "an integer";
        case Kind::number:
            return "a number";
        case Kind::string:
            return "a string";
        case Kind::list:
            return "a list of " + plural(type.parts[0]);
        case Kind::map:
            return "a map of " + plural(type.parts[0]);
        case Kind::section:
            return "a map of keys";
        case Kind::module:
            return "a " + type.module_kind + " module, {type: …}";
        case Kind::either:
            return any_of(type.parts, [](const OptionSchema& part) {
                return alternative(part, part.phrase());
            });
        default:
            return name_of(type);
    }
}

}  // namespace

std::string Bounds::str() const {
    if (!choices.empty()) return "one of " + join(choices);
    if (min && max && !exclusive_min && !exclusive_max)
        return concat("between ", number_in_full(*min), " and ", number_in_full(*max));
    std::vector<std::string> parts;
    if (min) parts.push_back(concat(exclusive_min ? "above " : "at least ", number_in_full(*min)));
    if (max && std::isfinite(*max))
        parts.push_back(concat(exclusive_max ? "below " : "at most ", number_in_full(*max)));
    return join(parts);
}

std::string Bounds::check(double value) const {
    // Written so that NaN is outside of any bounds.
    const bool above_min = !min || (exclusive_min ? value > *min : value >= *min);
    const bool below_max = !max || (exclusive_max ? value < *max : value <= *max);
    bool chosen = choices.empty();
    for (const std::string& choice : choices) chosen = chosen || choice == detail::to_text(value);
    if (above_min && below_max && chosen) return "";
    return concat("must be ", str(), ", got ", number_in_full(value));
}

std::string Bounds::check(const std::string& value) const {
    if (choices.empty()) return "";
    for (const std::string& choice : choices)
        if (choice == value) return "";
    const std::string nearest = nearest_name(value, choices);
    const std::string note = odd_character_note(value);
    return concat(
        "must be ", str(), ", got ", in_quotes(value),
        nearest.empty() ? (note.empty() ? "" : ".") : "; did you mean " + in_quotes(nearest) + "?",
        note);
}

OptionSchema OptionSchema::of(Kind kind, Bounds bounds) {
    OptionSchema schema;
    schema.kind = kind;
    schema.bounds = std::move(bounds);
    return schema;
}

OptionSchema OptionSchema::list_of(OptionSchema entry) {
    OptionSchema schema = of(Kind::list);
    schema.parts = {std::move(entry)};
    return schema;
}

OptionSchema OptionSchema::tuple_of(std::vector<OptionSchema> places) {
    OptionSchema schema = of(Kind::tuple);
    schema.parts = std::move(places);
    return schema;
}

OptionSchema OptionSchema::map_of(OptionSchema entry) {
    OptionSchema schema = of(Kind::map);
    schema.parts = {std::move(entry)};
    return schema;
}

OptionSchema OptionSchema::section_of(std::vector<OptionField> fields) {
    OptionSchema schema = of(Kind::section);
    schema.fields = std::move(fields);
    return schema;
}

OptionSchema OptionSchema::module_of(std::string kind) {
    OptionSchema schema = of(Kind::module);
    schema.module_kind = std::move(kind);
    return schema;
}

OptionSchema OptionSchema::either_of(std::vector<OptionSchema> types) {
    OptionSchema schema = of(Kind::either);
    schema.parts = std::move(types);
    return schema;
}

OptionSchema OptionSchema::or_null() const {
    OptionSchema schema = *this;
    schema.nullable = true;
    return schema;
}

OptionSchema OptionSchema::called(std::string name) const {
    OptionSchema schema = *this;
    schema.words = std::move(name);
    return schema;
}

OptionSchema OptionSchema::bounded(const Bounds& given) const {
    OptionSchema schema = *this;
    const bool has_own = bounds.min || bounds.max || !bounds.choices.empty();
    const bool is_value = kind == Kind::integer || kind == Kind::number || kind == Kind::string;
    if (is_value && !has_own) schema.bounds = given;
    for (OptionSchema& part : schema.parts) part = part.bounded(given);
    return schema;
}

std::string OptionSchema::str() const {
    return with_null(*this, name_of(*this));
}

std::string OptionSchema::phrase() const {
    return with_null(*this, phrase_of(*this));
}

}  // namespace ailab
