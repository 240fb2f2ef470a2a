#include "ailab/ailab.hpp"
#include "only_one.hpp"

namespace ailab {
namespace {

/// Settings of distributed training. The work is done inside the step, by the core.
class DDPHook final : public Hook {
  public:
    struct Options {
        std::optional<double> bucket_mb;
        bool find_unused_parameters = false;
        bool sync_batch_norm = false;
        bool broadcast_buffers = true;
        void visit(OptionVisitor& v) {
            v.option("bucket_mb", bucket_mb,
                     "size of the gradients' buckets in MB, in place of runtime.bucket_mb",
                     {.min = 0, .max = 1e6, .exclusive_min = true});
            v.option("find_unused_parameters", find_unused_parameters,
                     "parameters that no rank's loss depends on are allowed; false: an error that "
                     "names them");
            v.option("sync_batch_norm", sync_batch_norm,
                     "batch norms take mean and variance over the batch of all ranks");
            v.option("broadcast_buffers", broadcast_buffers,
                     "before an evaluation and a checkpoint all ranks take rank 0's buffers");
        }
    };
    explicit DDPHook(const Options& options) : o(options) {}

    void plan_step(StepPlan& plan) const override {
        if (o.bucket_mb) plan.bucket_mb = *o.bucket_mb;
        plan.find_unused_parameters = o.find_unused_parameters;
        plan.sync_batch_norm = o.sync_batch_norm;
        plan.broadcast_buffers = o.broadcast_buffers;
    }

    void before_run(Run& run) override {
        refuse_second(run, "DDPHook", "what distributed training does");
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_HOOK(DDPHook, "Settings of distributed data-parallel training")

}  // namespace ailab
