// Models whose inputs and outputs are other ones in training than in evaluation, as detectors' are.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("phases", "1.0", "A model that is another in training")

namespace {

using ailab::Phase;
using ailab::Tensor;

struct Options {
    int64_t in = 16;
    int64_t classes = 4;
    void visit(ailab::OptionVisitor& v) {
        v.option("in", in, "numbers of an input");
        v.option("classes", classes, "number of classes");
    }
};

/// One layer: the scores of the classes, in every phase.
class ScoresNet : public ailab::Model {
  public:
    using Options = ::Options;
    explicit ScoresNet(const Options& o) : layer(o.in, o.classes) {
        register_module("layer", layer);
    }
    Tensor forward(const Tensor& x) override { return layer(x.flatten(1)); }

  protected:
    torch::nn::Linear layer;
};
AILAB_REGISTER_MODEL(ScoresNet, "Scores, in every phase")

/// The same; but in training it takes the targets, and returns each sample's loss alone.
class LossesNet final : public ScoresNet {
  public:
    using ScoresNet::ScoresNet;

    std::vector<std::string> inputs_in(Phase phase) const override {
        if (phase == Phase::train) return {"input", "target"};
        return {"input"};
    }
    std::vector<std::string> outputs_in(Phase phase) const override {
        if (phase == Phase::train) return {"losses"};
        return {"output"};
    }
    ailab::Batch forward_batch(const ailab::Batch& inputs) override {
        const Tensor scores = forward(inputs.tensor("input"));
        if (!is_training()) return {{"output", scores}};
        return {{"losses",
                 torch::nn::functional::cross_entropy(
                     scores, inputs.tensor("target"),
                     torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone))}};
    }
};
AILAB_REGISTER_MODEL(LossesNet, "Losses in training, scores in evaluation")

/// What the model itself has computed.
class ModelsLoss : public ailab::Loss {
  public:
    struct Options {
        void visit(ailab::OptionVisitor&) {}
    };
    explicit ModelsLoss(const Options&) {}

    std::vector<std::string> inputs() const override { return {"losses"}; }
    std::optional<ailab::OutputKind> output_kind() const override {
        return ailab::OutputKind::class_scores;
    }
    std::vector<ailab::LossTerm> terms(const ailab::Batch& inputs) override {
        return {{.name = "loss", .sum = inputs.tensor("losses").sum()}};
    }
};
AILAB_REGISTER_LOSS(ModelsLoss, "The sum of a model's losses")

}  // namespace
