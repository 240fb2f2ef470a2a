#include "resolved.hpp"

#include "config/expand.hpp"
#include "config/scalar.hpp"

namespace ailab {
namespace {

bool same_scalar(const Node& a, const Node& b) {
    if (a.is_number() && b.is_number()) return a.as_float() == b.as_float();
    if (scalar_text(a.value) == scalar_text(b.value)) return true;
    const Node typed = typed_if_expanded(b);  // a number from "1e-3"
    return a.is_number() && typed.is_number() && a.as_float() == typed.as_float();
}

}  // namespace

void keep_variables(Node& resolved, const Node& source) {
    if (resolved.is_list()) {
        const bool same_length =
            source.is_list() && source.items().size() == resolved.items().size();
        for (size_t i = 0; i < resolved.items().size(); ++i)
            keep_variables(resolved.items()[i], same_length ? source.items()[i] : Node());
    } else if (resolved.is_map()) {
        for (Member& member : resolved.members()) {
            const Node* in_source = source.find(member.key);
            keep_variables(member.value, in_source ? *in_source : Node());
        }
    } else if (source.is_scalar() && holds_variable(source.written) &&
               same_scalar(resolved, source)) {
        resolved.written = source.written;
    } else {
        resolved.written.clear();
        if (resolved.is_string() && holds_variable(resolved.as_string()))
            resolved.written = escape_variables(resolved.as_string());
    }
}

}  // namespace ailab
