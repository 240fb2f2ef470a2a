// The general case of every kind: samples with several named fields (one of them text), a model
// with two inputs and two outputs, a loss of two terms of which one has a weight of its own, and a
// metric over fields with other names.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("two_inputs", "1.0", "Several inputs, outputs and loss terms")

namespace {

using ailab::Tensor;

class PairDataset : public ailab::Dataset {
  public:
    struct Options {
        int64_t size = 100;
        void visit(ailab::OptionVisitor& v) {
            v.option("size", size, "number of samples", ailab::at_least(1));
        }
    };
    explicit PairDataset(const Options& o) : size_(o.size) {}
    int64_t size() const override { return size_; }
    std::vector<std::string> fields() const override {
        return {"left", "right", "class", "distance", "known", "name"};
    }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        ailab::Philox random(7, 0, uint64_t(i));
        Tensor left = torch::empty({4}), right = torch::empty({4});
        for (int k = 0; k < 4; ++k) {
            left[k] = random.normal();
            right[k] = random.normal();
        }
        ailab::Sample sample;
        sample.fields["left"] = left;
        sample.fields["right"] = right;
        sample.fields["class"] =
            torch::scalar_tensor(left.sum().item<float>() > 0 ? 1 : 0, torch::kLong);
        sample.fields["distance"] = (left - right).norm();
        // The distance of two thirds of the samples alone is known: the regression term's weight.
        sample.fields["known"] = torch::scalar_tensor(i % 3 == 0 ? 0.0 : 1.0);
        sample.fields["name"] = "pair " + std::to_string(i);
        return sample;
    }

  private:
    int64_t size_;
};
AILAB_REGISTER_DATASET(PairDataset, "Pairs of vectors with a class, a distance and a name")

class PairNet : public ailab::Model {
  public:
    PairNet() {
        shared = register_module("shared", torch::nn::Linear(4, 16));
        classify = register_module("classify", torch::nn::Linear(16, 2));
        measure = register_module("measure", torch::nn::Linear(32, 1));
    }
    std::vector<std::string> inputs() const override { return {"a", "b"}; }
    std::vector<std::string> outputs() const override { return {"logits", "length"}; }
    ailab::Batch forward_batch(const ailab::Batch& in) override {
        const Tensor a = torch::tanh(shared(in.tensor("a")));
        const Tensor b = torch::tanh(shared(in.tensor("b")));
        return {{"logits", classify(a)}, {"length", measure(torch::cat({a, b}, 1)).squeeze(1)}};
    }

  private:
    torch::nn::Linear shared{nullptr}, classify{nullptr}, measure{nullptr};
};
AILAB_REGISTER_MODEL(PairNet, "Classifies the first of two vectors and measures their distance")

class PairLoss : public ailab::Loss {
  public:
    struct Options {
        double balance = 0.5;
        void visit(ailab::OptionVisitor& v) {
            v.option("balance", balance, "factor of the distance term", ailab::at_least(0));
        }
    };
    explicit PairLoss(const Options& o) : balance_(o.balance) {
        // A parameter of the loss itself: trained, reduced and saved like the model's.
        log_scale = register_parameter("log_scale", torch::zeros({}));
    }
    std::vector<std::string> inputs() const override {
        return {"logits", "class", "length", "distance", "known"};
    }
    std::vector<std::string> term_names() const override { return {"class", "distance"}; }
    bool has_own_weights() const override { return true; }
    std::vector<ailab::LossTerm> terms(const ailab::Batch& in) override {
        ailab::LossTerm first{
            .name = "class",
            .sum = torch::nn::functional::cross_entropy(in.tensor("logits"), in.tensor("class"))};
        first.is_mean = true;
        const Tensor& known = in.tensor("known");
        const Tensor error = in.tensor("length") * log_scale.exp() - in.tensor("distance");
        return {first,
                {.name = "distance",
                 .sum = (error.square() * known).sum(),
                 .weight = known.sum(),
                 .scale = balance_}};
    }

  private:
    double balance_;
    Tensor log_scale;
};
AILAB_REGISTER_LOSS(PairLoss, "Cross entropy and a squared distance where it is known")

class MeanLength : public ailab::Metric {
  public:
    MeanLength() {
        add_state("sum", {}, torch::kDouble);
        add_state("count", {}, torch::kLong);
    }
    std::vector<std::string> inputs() const override { return {"value", "names"}; }
    void update_batch(const ailab::Batch& in) override {
        for (const std::string& name : in.strings("names"))
            if (!name.starts_with("pair "))
                throw ailab::Error("a name has come to the wrong place");
        state("sum") += in.tensor("value").sum().to(torch::kDouble);
        state("count") += in.tensor("value").numel();
    }
    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        return {{"", states.at("sum").item<double>() / double(states.at("count").item<int64_t>())},
                {"count", double(states.at("count").item<int64_t>())}};
    }
};
AILAB_REGISTER_METRIC(MeanLength, "Mean of a field")

}  // namespace
