#include "only_one.hpp"

namespace ailab {

void refuse_second(const Run& run, const std::string& type, const std::string& what,
                   const std::string& instead) {
    const Node* hooks = run.config().find("hooks");
    if (!hooks || !hooks->is_map()) return;
    const Member* first = nullptr;
    for (const Member& hook : hooks->members()) {
        const Node* its_type = hook.value.find("type");
        if (!its_type || !its_type->is_string() || its_type->as_string() != type) continue;
        const Node* enable = hook.value.find("enable");
        if (enable && enable->is_bool() && !enable->as_bool()) continue;
        if (first)
            throw ConfigError({{{},
                                concat("the hooks \"", first->key, "\" and \"", hook.key,
                                       "\" both set ", what, "; ", instead)}});
        first = &hook;
    }
}

}  // namespace ailab
