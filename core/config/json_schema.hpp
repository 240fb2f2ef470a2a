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

/// Adds what an editor shows of an option; a default that is null or a map says nothing.
Node documented(Node schema, const std::string& doc, const Node& default_value);

/// Reference to a definition of the schema's document.
Node json_schema_reference(const std::string& definition);

/// Text that stands for a value.
Node json_schema_variable();

}  // namespace ailab
