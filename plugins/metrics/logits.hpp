#pragma once
// Whether outputs are logits, as an option.
#include <string>

#include "ailab/ailab.hpp"

namespace ailab {

enum class Logits { automatic, yes, no };

template <>
struct OptionType<Logits> {
    static OptionSchema schema() {
        using Kind = OptionSchema::Kind;
        return OptionSchema::either_of(
            {OptionSchema::of(Kind::boolean), OptionSchema::of(Kind::string, one_of({"auto"}))});
    }
    static void read(const Node& node, Logits& field, const Bounds&, const std::string& name,
                     Problems& problems) {
        if (node.is_bool())
            field = node.as_bool() ? Logits::yes : Logits::no;
        else if (node.is_string() && node.as_string() == "auto")
            field = Logits::automatic;
        else
            detail::wrong_type(node, name, "auto, true or false", problems);
    }
    static Node write(const Logits& field) {
        return field == Logits::automatic ? Node::string("auto") : Node(field == Logits::yes);
    }
};

}  // namespace ailab
