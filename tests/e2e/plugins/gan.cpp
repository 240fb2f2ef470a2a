// A model that owns its training step: two optimizers, two updates a step.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("gan", "1.0", "A small generative adversarial network")

namespace {

using ailab::Tensor;

/// Points on a line, around 3.
class Points : public ailab::Dataset {
  public:
    int64_t size() const override { return 300; }
    std::vector<std::string> fields() const override { return {"input"}; }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        ailab::Philox random(1, 0, uint64_t(i));
        ailab::Sample sample;
        sample.fields["input"] = torch::full({1}, random.normal(3, 0.5));
        // Noise comes with the sample, so that it does not depend on the world size.
        sample.fields["noise"] = torch::full({1}, random.normal());
        return sample;
    }
};
AILAB_REGISTER_DATASET(Points, "Numbers around 3, with noise to start from")

class LineGAN : public ailab::Model {
  public:
    LineGAN() {
        generator = register_module(
            "generator", torch::nn::Sequential(torch::nn::Linear(1, 8), torch::nn::Tanh(),
                                               torch::nn::Linear(8, 1)));
        discriminator = register_module(
            "discriminator", torch::nn::Sequential(torch::nn::Linear(1, 8), torch::nn::Tanh(),
                                                   torch::nn::Linear(8, 1)));
        steps_ = 0;
    }
    std::vector<std::string> optimizer_names() const override {
        return {"generator", "discriminator"};
    }
    bool owns_step() const override { return true; }

    void train_step(ailab::StepContext& step) override {
        const bool some = step.batch().size > 0;  // none at the end of an epoch, on some ranks
        const Tensor real = some ? step.batch().tensor("input") : Tensor();
        const Tensor noise = some ? step.batch().tensor("noise") : Tensor();
        Tensor d_loss, g_loss;
        step.update("discriminator", [&] {
            const Tensor fake = generator->forward(noise).detach();
            d_loss = torch::softplus(-discriminator->forward(real)).mean() +
                     torch::softplus(discriminator->forward(fake)).mean();
            return d_loss;
        });
        step.update("generator", [&] {
            g_loss = torch::softplus(-discriminator->forward(generator->forward(noise))).mean();
            return g_loss;
        });
        ++steps_;
        if (!some) return;
        step.record("loss_d", d_loss);
        step.record("loss_g", g_loss);
        step.output("output", generator->forward(noise));
    }
    Tensor forward(const Tensor& input) override { return generator->forward(input); }

    ailab::State save_state() const override {
        ailab::State state;
        state.values.set("steps", ailab::Node(steps_));
        return state;
    }
    void load_state(const ailab::State& state) override {
        steps_ = state.values.find("steps")->as_int();
    }

  private:
    torch::nn::Sequential generator{nullptr}, discriminator{nullptr};
    int64_t steps_;
};
AILAB_REGISTER_MODEL(LineGAN, "Learns to draw the numbers of Points")

}  // namespace
