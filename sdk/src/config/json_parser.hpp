#pragma once
// JSON text as a tree, in time that is linear in its length however many keys an object has.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

struct JsonRules {
    /// What other writers of JSON add to it: NaN, Infinity and -Infinity (Python's json, pandas),
    /// and integers beyond 64 bits, which become floats.
    bool all_numbers = false;
    /// Members of the outermost object that are kept; null: all.
    const std::vector<std::string>* keys = nullptr;
};

/// Why a text is no JSON, and at which of its bytes, from 0.
class JsonProblem final : public Error {
  public:
    JsonProblem(size_t byte, const std::string& what) : Error(what), byte_(byte) {}
    size_t byte() const { return byte_; }

  private:
    size_t byte_;
};

/// Of a key that comes twice the last value counts. All nodes get `place`. Throws JsonProblem; and
/// Error, which begins with `place`, for what is JSON but too deep or, unless `all_numbers`, too
/// large.
Node parse_json(std::string_view text, const JsonRules& rules, const Place& place);

/// The line and column, both from 1, of a byte of `text`.
std::pair<int, int> line_and_column(std::string_view text, size_t byte);

}  // namespace ailab
