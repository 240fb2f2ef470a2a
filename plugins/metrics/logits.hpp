#pragma once
// Metrics of probabilities, given logits.
#include <string>

#include "class_input.hpp"

namespace ailab {

enum class Logits { automatic, yes, no };

template <>
struct OptionType<Logits> {
    static std::string name() { return "boolean or \"auto\""; }
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

struct LogitsOptions : TaskOptions {
    Logits logits = Logits::automatic;

    void visit(OptionVisitor& v) {
        TaskOptions::visit(v);
        v.option("logits", logits,
                 "whether the outputs are logits, of which the softmax (labels: the sigmoid) is "
                 "taken; auto: if any output of the evaluation lies outside of 0 to 1");
    }
};

}  // namespace ailab
