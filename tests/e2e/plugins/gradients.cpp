// For tests that compare gradients and buffers to the bit, and a model with a step of its own whose
// layers are blocks.
#include <ailab/ailab.hpp>
#include <fstream>

AILAB_PLUGIN("gradients", "1.0", "Writes digests of gradients and buffers")

namespace {

using ailab::Tensor;

/// `<run folder>/gradients.rank<r>.txt`: a line for each gradient of a step, and for each buffer
/// after it: the step, the name, the sum of its absolute values, a digest of its bytes.
class DumpGradients final : public ailab::Hook {
  public:
    void before_run(ailab::Run& run) override {
        file_.open(ailab::concat(run.run_dir(), "/gradients.rank", run.comm().rank(), ".txt"));
    }
    void before_step(ailab::Run& run) override {
        for (const auto& parameter : run.model().named_parameters())
            write(run, parameter.key() + ".grad", parameter.value().grad());
    }
    void after_train_iter(ailab::Run& run) override {
        for (const auto& buffer : run.model().named_buffers())
            write(run, buffer.key(), buffer.value());
        file_.flush();
    }

  private:
    void write(ailab::Run& run, const std::string& name, const Tensor& tensor) {
        file_ << run.progress().step << ' ' << name << ' ';
        if (!tensor.defined()) {
            file_ << "none none\n";
            return;
        }
        const Tensor values = tensor.detach().cpu().contiguous();
        const std::string_view bytes(static_cast<const char*>(values.const_data_ptr()),
                                     values.nbytes());
        file_ << values.to(torch::kDouble).abs().sum().item<double>() << ' '
              << ailab::Digest().add(bytes).str() << '\n';
    }

    std::ofstream file_;
};
AILAB_REGISTER_HOOK(DumpGradients, "Writes digests of gradients and buffers")

/// Two networks of blocks, each with its optimizer. The second looks at the first with its dropout
/// off, and switches it on again before the backward pass.
class BlockPair final : public ailab::Model {
  public:
    struct Layer : torch::nn::Module {
        Layer() {
            fc = register_module("fc", torch::nn::Linear(8, 8));
            norm = register_module("norm", torch::nn::BatchNorm1d(8));
        }
        Tensor forward(const Tensor& x) {
            return x + torch::dropout(torch::tanh(norm(fc(x))), 0.5, is_training());
        }
        torch::nn::Linear fc{nullptr};
        torch::nn::BatchNorm1d norm{nullptr};
    };
    struct Side : torch::nn::Module {
        Side() {
            for (int i = 0; i < 2; ++i)
                layers.push_back(
                    register_module("layer" + std::to_string(i), std::make_shared<Layer>()));
        }
        Tensor forward(const Tensor& x) {
            Tensor y = x;
            for (const auto& layer : layers) y = ailab::block(*layer, &Layer::forward, y);
            return y;
        }
        std::vector<std::shared_ptr<Layer>> layers;
    };

    BlockPair() {
        first = register_module("first", std::make_shared<Side>());
        second = register_module("second", std::make_shared<Side>());
    }
    std::vector<std::string> optimizer_names() const override { return {"first", "second"}; }
    bool owns_step() const override { return true; }
    void train_step(ailab::StepContext& step) override {
        const Tensor x = step.batch().tensor("input");
        step.update("first", [&] { return forward(x).square().mean(); });
        step.update("second", [&] {
            first->eval();
            const Tensor loss = forward(x).exp().mean();
            first->train();
            return loss;
        });
    }
    Tensor forward(const Tensor& x) override { return second->forward(first->forward(x)); }

  private:
    std::shared_ptr<Side> first, second;
};
AILAB_REGISTER_MODEL(BlockPair, "Two networks of blocks, trained in turn")

}  // namespace
