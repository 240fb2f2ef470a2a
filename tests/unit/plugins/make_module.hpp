#pragma once
#include <memory>
#include <string>

#include "ailab/ailab.hpp"
#include "config/formats.hpp"
#include "temporary_folder.hpp"

namespace ailab::test {

/// The module of a configuration in JSON: {"type": "Adam", "lr": 0.1}. Throws ConfigError.
template <class Kind>
ModuleSpec<Kind> spec(const std::string& json) {
    ModuleSpec<Kind> result;
    Problems problems;
    result.config =
        read_module(kind_name<Kind>, from_json(json, "test"), kind_name<Kind>, problems);
    problems.check();
    return result;
}

template <class Kind>
std::shared_ptr<Kind> make(const std::string& json) {
    return spec<Kind>(json).create();
}

using ::error_of;

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace ailab::test
