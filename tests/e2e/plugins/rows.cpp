// Rows of numbers from a file, and small models whose first weights follow from a formula, so that
// torch can be asked for what they must give.
#include <ailab/ailab.hpp>
#include <fstream>

AILAB_PLUGIN("rows", "1.0", "Rows of numbers, and models that torch can repeat")

namespace {

namespace nn = torch::nn;
using ailab::Tensor;

void fill_by_formula(const nn::Module& module) {
    const torch::NoGradGuard no_grad;
    for (const Tensor& p : module.parameters())
        p.copy_(torch::sin(torch::arange(p.numel(), torch::kDouble) * 1.3 + 0.4).view(p.sizes()));
}

/// A sample a line: `in` numbers, then `out` numbers.
class Rows : public ailab::Dataset {
  public:
    struct Options {
        std::string file;
        int64_t in = 3, out = 2;
        bool classes = false;
        std::vector<int64_t> broken;
        void visit(ailab::OptionVisitor& v) {
            v.required("file", file, "of numbers");
            v.option("in", in, "numbers of the input");
            v.option("out", out, "numbers of the target");
            v.option("classes", classes,
                     "the target is class 1 where its first number is above 0, else 0");
            v.option("broken", broken, "samples that cannot be used");
        }
    };
    explicit Rows(const Options& options) : o(options) {
        std::ifstream file(o.file);
        std::vector<double> numbers;
        for (double number; file >> number;) numbers.push_back(number);
        table_ = torch::tensor(numbers, torch::kDouble).view({-1, o.in + o.out});
    }
    int64_t size() const override { return table_.size(0); }
    std::string sample_name(int64_t i) const override { return ailab::concat("row ", i); }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        if (std::find(o.broken.begin(), o.broken.end(), i) != o.broken.end())
            throw ailab::BrokenSample(ailab::concat("row ", i, " is broken"));
        const Tensor target = table_[i].narrow(0, o.in, o.out);
        return {table_[i].narrow(0, 0, o.in).clone(),
                o.classes ? (target[0] > 0).to(torch::kLong) : target.clone()};
    }

  private:
    const Options o;
    Tensor table_;
};
AILAB_REGISTER_DATASET(Rows, "A sample a line of a file")

/// in -> 12, a norm, tanh, 12 -> out.
class Normed : public ailab::Model {
  public:
    struct Options {
        std::string norm = "batch1d";
        int64_t in = 3, out = 2;
        bool tracks = true, cumulative = false;
        double dropout = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("norm", norm, "over 12 features, or over 3 channels of 2x2 pixels",
                     ailab::one_of({"batch1d", "batch2d", "instance2d"}));
            v.option("in", in, "numbers of the input");
            v.option("out", out, "numbers of the output");
            v.option("tracks", tracks, "running statistics");
            v.option("cumulative", cumulative, "their momentum is none");
            v.option("dropout", dropout, "before the last layer");
        }
    };
    explicit Normed(const Options& options) : o(options) {
        const std::optional<double> momentum =
            o.cumulative ? std::nullopt : std::optional<double>(0.1);
        const auto norm = [&](int64_t n) {
            return nn::BatchNormOptions(n).track_running_stats(o.tracks).momentum(momentum);
        };
        fc1 = register_module("fc1", nn::Linear(o.in, 12));
        if (o.norm == "batch1d") norm1 = register_module("norm", nn::BatchNorm1d(norm(12)));
        if (o.norm == "batch2d") norm2 = register_module("norm", nn::BatchNorm2d(norm(3)));
        if (o.norm == "instance2d")
            instance = register_module(
                "norm", nn::InstanceNorm2d(nn::InstanceNorm2dOptions(3).affine(true)));
        fc2 = register_module("fc2", nn::Linear(12, o.out));
        fill_by_formula(*this);
    }
    Tensor forward(const Tensor& x) override {
        Tensor y = fc1(x);
        if (norm1) y = norm1(y);
        if (norm2) y = norm2(y.view({-1, 3, 2, 2})).flatten(1);
        if (instance) y = instance(y.view({-1, 3, 2, 2})).flatten(1);
        return fc2(torch::dropout(torch::tanh(y), o.dropout, is_training()));
    }

  private:
    const Options o;
    nn::Linear fc1{nullptr}, fc2{nullptr};
    nn::BatchNorm1d norm1{nullptr};
    nn::BatchNorm2d norm2{nullptr};
    nn::InstanceNorm2d instance{nullptr};
};
AILAB_REGISTER_MODEL(Normed, "Two linear layers with a norm between them")

/// The squared gradient of a net by its input, a sample: training takes a second derivative.
class GradientPenalty : public ailab::Model {
  public:
    GradientPenalty() {
        fc1 = register_module("fc1", nn::Linear(3, 6));
        norm = register_module("norm", nn::BatchNorm1d(6));
        fc2 = register_module("fc2", nn::Linear(6, 1));
        fill_by_formula(*this);
    }
    Tensor forward(const Tensor& input) override {
        const torch::AutoGradMode on(true);
        const Tensor x = input.detach().clone().requires_grad_();
        const Tensor y = fc2(torch::tanh(norm(fc1(x))));
        return torch::autograd::grad({y.sum()}, {x}, {}, true, true)[0].square().sum(1);
    }

  private:
    nn::Linear fc1{nullptr}, fc2{nullptr};
    nn::BatchNorm1d norm{nullptr};
};
AILAB_REGISTER_MODEL(GradientPenalty, "The squared gradient of a net by its input")

class MeanOutput : public ailab::Loss {
  public:
    Tensor forward(const Tensor& output, const Tensor&) override { return output.mean(); }
};
AILAB_REGISTER_LOSS(MeanOutput, "The mean of the output")

/// Two nets with batch norms and a step of its own, part of which is outside of the updates.
class TwoSteps : public ailab::Model {
  public:
    TwoSteps() {
        for (const char* name : {"first", "second"})
            nets.push_back(register_module(
                name, nn::Sequential(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Linear(4, 2))));
        fill_by_formula(*this);
    }
    std::vector<std::string> optimizer_names() const override { return {"first", "second"}; }
    bool owns_step() const override { return true; }
    void train_step(ailab::StepContext& step) override {
        if (step.batch().size == 0) {
            step.update("first", {});
            step.update("second", {});
            return;
        }
        const Tensor x = step.batch().tensor("input"), y = step.batch().tensor("target");
        const Tensor before = nets[1]->forward(x).detach();  // of the second net, as it is
        Tensor loss;
        step.update("first",
                    [&] { return loss = torch::mse_loss(nets[0]->forward(x) + before, y); });
        step.update("second", [&] { return torch::mse_loss(nets[1]->forward(x) * 2, before + y); });
        step.record("loss", loss);
        step.output("output", nets[0]->forward(x));
    }
    Tensor forward(const Tensor& x) override { return nets[0]->forward(x); }

  private:
    std::vector<nn::Sequential> nets;
};
AILAB_REGISTER_MODEL(TwoSteps, "Two nets with a step of its own")

/// A linear layer whose output comes in one of several forms.
class Shaped : public ailab::Model {
  public:
    struct Options {
        std::string as = "vector";
        void visit(ailab::OptionVisitor& v) {
            v.option("as", as, "how two numbers a sample are given",
                     ailab::one_of({"number", "vector", "map", "integers", "complex", "list",
                                    "text", "mean"}));
        }
    };
    explicit Shaped(const Options& options) : o(options) {
        fc = register_module("fc", nn::Linear(3, 2));
        fill_by_formula(*this);
    }
    ailab::Batch forward_batch(const ailab::Batch& inputs) override {
        const Tensor y = fc(inputs.tensor("input"));
        ailab::Batch outputs;
        if (o.as == "number") outputs.set("output", y.sum(1));
        if (o.as == "vector") outputs.set("output", y);
        if (o.as == "map") outputs.set("output", y.view({-1, 2, 1, 1}).expand({-1, 2, 1, 2}));
        if (o.as == "integers") outputs.set("output", y.round().to(torch::kLong));
        if (o.as == "complex") outputs.set("output", torch::view_as_complex(y));
        if (o.as == "mean") outputs.set("output", y.mean());
        std::vector<Tensor> list;
        std::vector<std::string> text;
        for (int64_t i = 0; i < y.size(0); ++i) {
            // One number or two.
            list.push_back(y[i].narrow(0, 0, 1 + inputs.ids[size_t(i)] % 2));
            text.push_back(ailab::concat("say \"", inputs.ids[size_t(i)], "\", twice"));
        }
        if (o.as == "list") outputs.set("output", list);
        if (o.as == "text") outputs.set("output", text);
        return outputs;
    }

  private:
    const Options o;
    nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(Shaped, "A linear layer whose output has one of several forms")

class NoLoss : public ailab::Loss {
  public:
    std::vector<std::string> inputs() const override { return {"input"}; }
    std::vector<ailab::LossTerm> terms(const ailab::Batch& inputs) override {
        return {{.name = "loss", .sum = inputs.tensor("input").sum() * 0}};
    }
};
AILAB_REGISTER_LOSS(NoLoss, "0, whatever the output is")

/// Gives the metrics the sum of an output's numbers.
class SumsOutputs : public ailab::Hook {
  public:
    int default_priority() const override { return ailab::priority::very_high; }
    void after_val_iter(ailab::Run& run) override {
        if (run.batch().size > 0)
            run.batch().set("output", run.batch().tensor("output").sum(1, true));
    }
};
AILAB_REGISTER_HOOK(SumsOutputs, "Changes what the model says before the metrics see it")

}  // namespace
