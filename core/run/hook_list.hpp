#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/hook.hpp"
#include "distributed/job.hpp"
#include "host/error_context.hpp"

namespace ailab {

/// The hooks of a run, in the order in which they run. It is the one place that calls them, so that
/// heartbeats and errors name the hook and the point. Main thread.
class HookList {
  public:
    using Point = void (Hook::*)(Run&);
    /// A point of the training iteration, with the hooks that override it.
    struct IterationPoint {
        Point point;
        const char* name;
        std::vector<size_t> hooks;
    };

    HookList(std::vector<std::shared_ptr<Hook>> hooks, std::vector<std::string> names, Job& job);

    IterationPoint iteration_point(Point point, const char* name,
                                   bool IterationPoints::*overridden) const;

    const std::vector<std::shared_ptr<Hook>>& all() const { return hooks_; }
    size_t size() const { return hooks_.size(); }
    const std::string& name(size_t hook) const { return names_[hook]; }
    /// Of its state in a checkpoint.
    std::string key(size_t hook) const { return "hook." + names_[hook]; }

    /// `name`, of the point, must live as long as the process.
    void call(Run& run, Point point, const char* name) const;
    void call(Run& run, const IterationPoint& point) const;
    void call(Run& run, size_t hook, Point point, const char* name) const;

    /// Calls `body(hook)`, at a point with this name.
    template <class Body>
    void at(size_t hook, const char* name, const Body& body) const {
        job_.doing(name, labels_[hook]);
        try {
            body(*hooks_[hook]);
        } catch (...) {
            rethrow_with(concat("hook \"", names_[hook], "\", ", name));
        }
    }
    /// Calls `body(hook, key)` for all of them.
    template <class Body>
    void each(const char* name, const Body& body) const {
        for (size_t i = 0; i < hooks_.size(); ++i)
            at(i, name, [&](Hook& hook) { body(hook, key(i)); });
    }

  private:
    const std::vector<std::shared_ptr<Hook>> hooks_;
    const std::vector<std::string> names_;
    std::vector<const char*> labels_;  // the names, for heartbeats
    Job& job_;
};

}  // namespace ailab
