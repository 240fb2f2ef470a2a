#include "ailab/ailab.hpp"
#include "only_one.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

/// Without them LibTorch computes bfloat16 number by number, 20 times slower than float32.
bool cpu_has_bfloat16() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return true;  // not known here
#endif
}

/// Mixed precision. The work is done inside the step, by the core. A part of a model that must stay
/// in float32 says so in its forward(), by ailab::FullPrecision.
class AMPHook final : public Hook {
  public:
    struct Options {
        std::string dtype = "bfloat16";
        double init_scale = 65536;
        double growth_factor = 2;
        double backoff_factor = 0.5;
        int64_t growth_interval = 2000;
        void visit(OptionVisitor& v) {
            v.option("dtype", dtype, "what the model computes in; float16 scales the loss",
                     one_of({"bfloat16", "float16"}));
            v.option("init_scale", init_scale, "float16: the first scale of the loss", above(0));
            v.option("growth_factor", growth_factor,
                     "float16: times the scale after growth_interval steps", at_least(1));
            v.option("backoff_factor", backoff_factor,
                     "float16: times the scale after a step with gradients that are not finite",
                     {.min = 0, .max = 1, .exclusive_min = true, .exclusive_max = true});
            v.option("growth_interval", growth_interval,
                     "float16: steps with finite gradients until the scale grows", steps_from(1));
        }
    };
    explicit AMPHook(const Options& options) : o(options) {}

    void plan_step(StepPlan& plan) const override {
        plan.autocast = AutocastPlan{
            .dtype = o.dtype == "float16" ? at::kHalf : at::kBFloat16,
            .initial_scale = o.init_scale,
            .growth = o.growth_factor,
            .backoff = o.backoff_factor,
            .growth_interval = o.growth_interval,
        };
    }

    void before_run(Run& run) override {
        refuse_second(run, "AMPHook", "mixed precision");
        if (run.torch_device().is_cpu() && o.dtype == "bfloat16" && !cpu_has_bfloat16() &&
            run.is_main())
            log_warning(
                "this processor has no instructions for bfloat16, so training with AMPHook is far "
                "slower than without it: hooks.amp.enable=false");
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_HOOK(AMPHook, "Mixed precision: the model computes in bfloat16 or float16")

}  // namespace ailab
