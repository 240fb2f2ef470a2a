#pragma once
// How plain text becomes a typed scalar, and back. Internal to ailab: no header of the SDK includes
// it.
#include <string>

#include "ailab/node.hpp"

namespace ailab {

/// What an unquoted YAML scalar stands for:
///   null ~ and nothing      null
///   true false (also True, TRUE)
///   12 -3 +4 0x1F 0o17      integer; 007 stays a string, as readers disagree about it
///   1.5 .5 1. 1e-3          float, also .inf inf -inf .nan nan, and integers beyond 64 bits
///   anything else           string
Node::Value resolve_scalar(const std::string& text);

/// A value that came from "${…}" may stand for a number where one is wanted: resolves such a
/// string. Other nodes are returned as they are.
Node typed_if_expanded(const Node& node);

bool holds_variable(const std::string& text);

/// Whether the value is a whole number that is written in full: 1000000000, not 1e+09.
bool is_written_in_full(double value);

/// The scalar's text without quotes; a float always looks like one (1.0, 1.0e+20, .inf).
std::string scalar_text(const Node::Value& value);
/// The text as YAML: plain where that reads back as the same string everywhere, else in quotes.
std::string quoted_if_needed(const std::string& text);
std::string in_quotes(const std::string& text);

}  // namespace ailab
