// The multilayer perceptron of the tests and benchmarks.
#include <ailab/ailab.hpp>
#include <chrono>
#include <thread>

AILAB_PLUGIN("test_mlp", "1.0", "The multilayer perceptron of the tests")

namespace {

class MLP : public ailab::Model {
  public:
    struct Options {
        int64_t in = 784, hidden = 64, out = 10;
        double dropout = 0, noise = 0, delay = 0;
        bool batch_norm = false;
        bool idle = false;
        bool full_head = false;
        void visit(ailab::OptionVisitor& v) {
            v.option("in", in, "numbers of a sample", ailab::at_least(1));
            v.option("hidden", hidden, "width of the hidden layer", ailab::at_least(1));
            v.option("out", out, "number of classes", ailab::at_least(1));
            v.option("dropout", dropout, "probability of dropping a value", ailab::between(0, 1));
            v.option("noise", noise, "deviation of what is added to inputs, in evaluations too",
                     ailab::at_least(0));
            v.option("batch_norm", batch_norm, "a batch norm between the layers");
            v.option("idle", idle, "a layer that the output does not depend on");
            v.option("full_head", full_head,
                     "the last layer computes in float32 under AMPHook too");
            v.option("delay", delay, "seconds that a forward pass takes longer",
                     ailab::at_least(0));
        }
    };
    explicit MLP(const Options& o)
        : dropout_(o.dropout), noise_(o.noise), delay_(o.delay), full_head_(o.full_head) {
        fc1 = register_module("fc1", torch::nn::Linear(o.in, o.hidden));
        if (o.batch_norm) bn = register_module("bn", torch::nn::BatchNorm1d(o.hidden));
        fc2 = register_module("fc2", torch::nn::Linear(o.hidden, o.out));
        if (o.idle) register_module("idle", torch::nn::Linear(2, 2));
    }
    ailab::Tensor forward(const ailab::Tensor& input) override {
        if (delay_ > 0) std::this_thread::sleep_for(std::chrono::duration<double>(delay_));
        ailab::Tensor x = input.flatten(1);
        if (noise_ > 0) x = x + noise_ * torch::randn_like(x);
        x = fc1(x);
        if (bn) x = bn(x);
        x = torch::relu(x);
        if (dropout_ > 0) x = torch::dropout(x, dropout_, is_training());
        if (!full_head_) return fc2(x);
        const ailab::FullPrecision full(x);
        const ailab::Tensor y = fc2(x.to(at::kFloat));
        TORCH_CHECK(y.scalar_type() == at::kFloat, "not in float32");
        return y;
    }

  private:
    double dropout_, noise_, delay_;
    bool full_head_;
    torch::nn::Linear fc1{nullptr}, fc2{nullptr};
    torch::nn::BatchNorm1d bn{nullptr};
};
AILAB_REGISTER_MODEL(MLP, "Two linear layers with a ReLU between them")

}  // namespace
