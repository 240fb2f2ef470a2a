#pragma once
// `pretrained:` of the run's model.
#include <map>
#include <string>

#include "ailab/options.hpp"

namespace ailab {

/// The weights that a model begins with: `pretrained: FILE`, or a map of these keys.
struct Pretrained {
    /// What load_from takes.
    std::string file;
    /// Only the tensors of the file whose names begin with it, by the rest of their names.
    std::string prefix;
    /// How the file's names become the model's: a regular expression and what takes the place of
    /// the part that it matches ($1, … are its groups). A name follows the longest expression that
    /// matches it.
    std::map<std::string, std::string> mapping;
};

template <>
struct OptionType<Pretrained> {
    static OptionSchema schema();
    static void read(const Node&, Pretrained&, const Bounds&, const std::string& name, Problems&);
    static Node write(const Pretrained&);
};

}  // namespace ailab
