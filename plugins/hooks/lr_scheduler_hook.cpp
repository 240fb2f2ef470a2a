#include "ailab/ailab.hpp"

namespace ailab {
namespace {

class LrSchedulerHook final : public Hook {
  public:
    struct Options {
        ModuleSpec<LrScheduler> scheduler;
        std::string by = "epoch";
        void visit(OptionVisitor& v) {
            v.required("scheduler", scheduler,
                       "the schedule, such as {type: StepLR, step_size: 30}");
            v.option("by", by, "what the schedule counts: epochs or optimizer steps",
                     one_of({"epoch", "iter"}));
        }
    };

    explicit LrSchedulerHook(const Options& options)
        : scheduler_(options.scheduler.create()), by_epoch_(options.by == "epoch") {}

    int default_priority() const override { return priority::high; }

    void before_run(Run& run) override {
        const Progress& progress = run.progress();
        scheduler_->set_length({by_epoch_ ? progress.total_epochs : progress.total_steps});
        apply(run);  // a schedule that cannot tell a learning rate ends the run here
    }
    void before_train_epoch(Run& run) override { apply(run); }
    void before_train_iter(Run& run) override {
        if (!by_epoch_) apply(run);
    }

  private:
    /// The learning rate follows from the time alone, so nothing has to be kept.
    void apply(Run& run) {
        const int64_t t = by_epoch_ ? run.progress().epoch : run.progress().step;
        for (auto& [name, optimizer] : run.optimizers())
            for (ParamGroup& group : optimizer->groups())
                group.lr = scheduler_->lr(group.initial_lr, t);
    }

    const std::shared_ptr<LrScheduler> scheduler_;
    const bool by_epoch_;
};

}  // namespace

AILAB_REGISTER_HOOK(LrSchedulerHook, "Sets the learning rate of every optimizer (priority 30)")

}  // namespace ailab
