// A hook: ends the run when a metric is good enough.
#include <ailab/ailab.hpp>

class StopAtHook : public ailab::Hook {
  public:
    struct Options {
        std::string metric;
        double value = 0;
        void visit(ailab::OptionVisitor& v) {
            v.required("metric", metric, "name of a metric of the val phase, as in the log");
            v.required("value", value, "stop when it is at least this");
        }
    };

    explicit StopAtHook(const Options& options) : options_(options) {}

    // After the hooks that compute metrics.
    int default_priority() const override { return ailab::priority::low; }

    // Results are the same on all ranks, so all of them stop together.
    void after_val_epoch(ailab::Run& run) override {
        for (const auto& [name, value] : run.results(ailab::Phase::val))
            if (name == options_.metric && value >= options_.value)
                run.stop(ailab::concat(name, " reached ", value));
    }

  private:
    Options options_;
};

AILAB_REGISTER_HOOK(StopAtHook, "Ends the run when a metric of the val phase is good enough")
