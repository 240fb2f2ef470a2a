// Models that register, replace, drop or thaw a tensor while they run.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("registering", "1.0", "Models whose tensors change while they run")

namespace {

namespace nn = torch::nn;
using ailab::Tensor;

struct Options {
    std::string what = "nothing";
    int64_t after = 0;
    bool in_training_alone = false;
    void visit(ailab::OptionVisitor& v) {
        v.option("what", what, "is done",
                 ailab::one_of({"nothing", "module", "parameter", "buffer", "replaced", "dropped",
                                "thawed", "fed", "frozen_later"}));
        v.option("after", after, "so many forward passes in training");
        v.option("in_training_alone", in_training_alone, "not in evaluations");
    }
};

class Registering : public ailab::Model {
  public:
    using Options = ::Options;
    explicit Registering(const Options& options) : o(options) {
        fc = register_module("fc", nn::Linear(3, 2));
        scale = register_parameter("scale", torch::ones({2}));
        shift = register_buffer("shift", torch::zeros({2}));
        if (o.what == "thawed") scale.set_requires_grad(false);
    }
    Tensor forward(const Tensor& x) override {
        if (!done_ && (is_training() || !o.in_training_alone) && passes_ >= o.after) change();
        passes_ += is_training();
        const Tensor y = late ? late(x) : x;
        return fc(y) * parameters_["scale"] + shift;
    }

  private:
    void change() {
        done_ = true;
        const torch::NoGradGuard no_grad;
        if (o.what == "module") late = register_module("late", nn::Linear(3, 3));
        if (o.what == "parameter") register_parameter("bias", torch::zeros({2}));
        if (o.what == "buffer") register_buffer("count", torch::zeros({1}));
        if (o.what == "replaced") parameters_["scale"] = torch::ones({2}).set_requires_grad(true);
        if (o.what == "dropped") unregister_module("fc");
        if (o.what == "thawed") scale.set_requires_grad(true);
        // What is in order: other values, a parameter that is frozen now.
        if (o.what == "fed") scale.fill_(2);
        if (o.what == "frozen_later") scale.set_requires_grad(false);
    }

    const Options o;
    nn::Linear fc{nullptr}, late{nullptr};
    Tensor scale, shift;
    int64_t passes_ = 0;
    bool done_ = false;
};
AILAB_REGISTER_MODEL(Registering, "Changes what is registered")

/// With a step of its own.
class RegisteringStep final : public Registering {
  public:
    using Registering::Registering;
    bool owns_step() const override { return true; }
    void train_step(ailab::StepContext& step) override {
        step.update("", [&] {
            return (forward(step.batch().tensor("input")) - step.batch().tensor("target"))
                .square()
                .mean();
        });
    }
};
AILAB_REGISTER_MODEL(RegisteringStep, "Changes what is registered, in a step of its own")

}  // namespace
