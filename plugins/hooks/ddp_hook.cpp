#include "ailab/ailab.hpp"

namespace ailab {
namespace {

/// Settings of distributed training. The work is done inside the step, by the core.
class DDPHook final : public Hook {
  public:
    struct Options {
        std::optional<double> bucket_mb;
        void visit(OptionVisitor& v) {
            v.option("bucket_mb", bucket_mb,
                     "size of the gradients' buckets in MB, in place of runtime.bucket_mb",
                     above(0));
        }
    };
    explicit DDPHook(const Options& options) : o(options) {}

    void plan_step(StepPlan& plan) const override {
        if (o.bucket_mb) plan.bucket_mb = *o.bucket_mb;
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_HOOK(DDPHook, "Settings of distributed data-parallel training")

}  // namespace ailab
