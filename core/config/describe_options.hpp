#pragma once
// What an options struct accepts, for --describe, --list-modules, the plugin index and the docs.
#include <string>
#include <vector>

#include "ailab/options.hpp"

namespace ailab {

/// One field of an options struct, as its visitor lists it.
struct FieldDoc {
    std::string name;  // "" for `rest`
    std::string type;  // "integer", "list of number", "module (loss)", …
    std::string doc;
    std::string bounds;  // "at least 1", "one of mean, sum", or ""
    bool required = false;
    bool rest = false;  // takes all keys that no other field takes
    /// The value that the struct was made with (as it would be written in YAML); null for required.
    Node default_value;
};

/// In the order of the visitor. Changes nothing in `options`.
AILAB_API std::vector<FieldDoc> describe_options(OptionsHolder& options);

/// The keys that every module of a kind takes beside its own: mapping, enable, priority, …
AILAB_API std::vector<FieldDoc> describe_common_options(const std::string& kind);

}  // namespace ailab
