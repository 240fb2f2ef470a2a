#pragma once
#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// The values of a saved state, with an error that names what is missing.
class StateReader {
  public:
    explicit StateReader(const Node& values) : values_(values) {}

    /// Null where there is none.
    const Node* find(const std::string& key) const { return values_.find(key); }
    const Node& at(const std::string& key) const {
        const Node* found = find(key);
        if (!found) throw Error(concat("its state has no \"", key, "\""));
        return *found;
    }
    int64_t integer(const std::string& key) const {
        const Node& value = at(key);
        if (!value.is_int()) throw Error(concat("its \"", key, "\" is ", value.describe()));
        return value.as_int();
    }
    double number(const std::string& key) const {
        const Node& value = at(key);
        if (!value.is_number()) throw Error(concat("its \"", key, "\" is ", value.describe()));
        return value.as_float();
    }

  private:
    const Node& values_;
};

}  // namespace ailab
