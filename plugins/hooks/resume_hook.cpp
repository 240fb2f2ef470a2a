#include "ailab/ailab.hpp"
#include "only_one.hpp"

namespace ailab {
namespace {

/// From which checkpoint a run goes on, and with which learning rate. The work is done by the core.
class ResumeHook final : public Hook {
  public:
    struct Options {
        std::optional<std::string> resume_from;
        Node resume_lr = Node::string("keep");
        void visit(OptionVisitor& v) {
            v.option(
                "resume_from", resume_from,
                "a checkpoint, or auto (also when empty): the newest valid one of the work_dir, "
                "or a fresh run when there is none; resume_from at the top of the configuration "
                "comes first");
            v.option("resume_lr", resume_lr,
                     "learning rate: keep that of the checkpoint, initial for that of the "
                     "configuration, or a number");
            v.rule([this] {
                const bool is_name = resume_lr.is_string() && (resume_lr.as_string() == "keep" ||
                                                               resume_lr.as_string() == "initial");
                const bool is_rate = resume_lr.is_number() && resume_lr.as_float() >= 0 &&
                                     std::isfinite(resume_lr.as_float());
                return is_name || is_rate
                           ? std::string()
                           : concat(
                                 "resume_lr must be keep, initial or a number of at least 0, got ",
                                 resume_lr.flow());
            });
        }
    };
    explicit ResumeHook(const Options& options) : o(options) {}

    bool for_training_only() const override { return true; }

    void plan_resume(ResumePlan& plan) const override {
        const bool named = o.resume_from && !o.resume_from->empty();
        plan.from = named ? *o.resume_from : "auto";
        using Rate = ResumePlan::LearningRate;
        if (o.resume_lr.is_number()) {
            plan.learning_rate = Rate::number;
            plan.number = o.resume_lr.as_float();
        } else if (o.resume_lr.as_string() == "initial") {
            plan.learning_rate = Rate::initial;
        }
    }

    void before_run(Run& run) override {
        refuse_second(run, "ResumeHook", "what the run goes on from");
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_HOOK(ResumeHook, "Goes on from a checkpoint, by itself from the newest")

}  // namespace ailab
