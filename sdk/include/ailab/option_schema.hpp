#pragma once
// What an option accepts, as a value. It comes from the option's C++ type; from it come the words
// of messages and of --describe, the JSON Schema for editors and the tables of the documentation.
#include <optional>
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// What values a field accepts beyond its type. Applied to each number or string in it.
struct AILAB_API Bounds {
    std::optional<double> min;
    std::optional<double> max;
    bool exclusive_min = false;
    bool exclusive_max = false;
    std::vector<std::string> choices;

    /// "at least 1", "above 0, at most 1", "one of mean, sum"; "" when anything goes.
    std::string str() const;
    /// What is wrong with the value, or "".
    std::string check(double value) const;
    std::string check(const std::string& value) const;
};

inline Bounds at_least(double min) {
    return {.min = min};
}
inline Bounds above(double min) {
    return {.min = min, .exclusive_min = true};
}
inline Bounds at_most(double max) {
    return {.max = max};
}
inline Bounds between(double min, double max) {
    return {.min = min, .max = max};
}
inline Bounds one_of(std::vector<std::string> choices) {
    return {.choices = std::move(choices)};
}

struct OptionField;

/// The values that an option may have. A plain value, as any thread likes.
struct AILAB_API OptionSchema {
    enum class Kind {
        anything,
        boolean,
        integer,
        number,
        string,
        list,
        tuple,    // a list of a fixed length, each place of its own type
        map,      // any keys, with values of one type
        section,  // a map with keys of its own
        module,   // {type: …} of a kind
        either    // one of several types
    };

    Kind kind = Kind::anything;
    /// What texts call it, where that tells more than the kind: "regular expression".
    std::string words;
    /// Whether null is a value too.
    bool nullable = false;
    /// Of an integer, number or string.
    Bounds bounds;
    /// list, map: one, that of all entries; tuple: one a place; either: one a type.
    std::vector<OptionSchema> parts;
    /// module: what can stand at `type`, "loss".
    std::string module_kind;
    /// section: its keys.
    std::vector<OptionField> fields;

    static OptionSchema of(Kind kind, Bounds bounds = {});
    static OptionSchema list_of(OptionSchema entry);
    static OptionSchema tuple_of(std::vector<OptionSchema> places);
    static OptionSchema map_of(OptionSchema entry);
    static OptionSchema section_of(std::vector<OptionField> fields);
    static OptionSchema module_of(std::string kind);
    static OptionSchema either_of(std::vector<OptionSchema> types);
    OptionSchema or_null() const;
    OptionSchema called(std::string words) const;
    /// With `bounds` at each number and string that has none of its own; not within sections.
    OptionSchema bounded(const Bounds& bounds) const;

    /// "integer", "list of number or null", "module (loss)": for documentation.
    std::string str() const;
    /// "an integer", "a list of numbers": what goes on after "must be".
    std::string phrase() const;
};

/// One option, as its visitor lists it.
struct OptionField {
    std::string name;  // "" for `rest`
    std::string doc;
    /// With the bounds.
    OptionSchema schema;
    /// Those that the visitor gives; of a list, of its entries.
    Bounds bounds;
    bool required = false;
    bool rest = false;  // takes all keys that no other option takes
    /// The value that the struct was made with (as it would be written in YAML); null for required.
    Node default_value;
};

}  // namespace ailab
