#include "hook_list.hpp"

#include <utility>

namespace ailab {

HookList::HookList(std::vector<std::shared_ptr<Hook>> hooks, std::vector<std::string> names,
                   Job& job)
    : hooks_(std::move(hooks)), names_(std::move(names)), job_(job) {
    for (const std::string& name : names_) labels_.push_back(lasting_text(name));
}

HookList::IterationPoint HookList::iteration_point(Point point, const char* name,
                                                   bool IterationPoints::*overridden) const {
    IterationPoint result{point, name, {}};
    for (size_t i = 0; i < hooks_.size(); ++i)
        if (hooks_[i]->iteration_points.*overridden) result.hooks.push_back(i);
    return result;
}

void HookList::call(Run& run, size_t hook, Point point, const char* name) const {
    at(hook, name, [&](Hook& each) { (each.*point)(run); });
}

void HookList::call(Run& run, Point point, const char* name) const {
    for (size_t i = 0; i < hooks_.size(); ++i) call(run, i, point, name);
}

void HookList::call(Run& run, const IterationPoint& point) const {
    for (const size_t i : point.hooks) call(run, i, point.point, point.name);
}

}  // namespace ailab
