#pragma once
// What options accept as JSON Schema (draft 7, which editors know), for --describe and for the
// schema of a whole configuration.
#include <string>

#include "ailab/option_schema.hpp"

namespace ailab {

/// `{"type": "integer", "minimum": 1}`. A module is a reference to the definition of its kind; a
/// `${…}` may stand for each scalar.
Node json_schema(const OptionSchema& schema);

/// Of an option's value. null stands for an optional module that is not there.
Node json_schema(const OptionField& field);

/// Adds what an editor shows of an option: its type in words, what it is for, and its default, of
/// which one that is null or a map says nothing.
Node documented(Node schema, const std::string& words, const std::string& doc,
                const Node& default_value);

/// Reference to a definition of the schema's document.
Node json_schema_reference(const std::string& definition);

/// The names of all modules of a kind, where an option takes one: the definition `names.<kind>`.
inline const std::string module_names = "names.";
Node json_schema_names(const std::string& kind);

/// Text that stands for a value.
Node json_schema_variable();

}  // namespace ailab
