// What the users' configurations in tests/e2e/configs name: a model, a data set and a loss of their
// own.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("original", "1.0", "The modules of the example configurations")

namespace {

using ailab::Tensor;

/// Two classes of points. Field names can be chosen, as the Python one did.
class MyDataset : public ailab::Dataset {
  public:
    struct Options {
        int64_t size = 256;
        std::string x_key = "input", y_key = "target";
        void visit(ailab::OptionVisitor& v) {
            v.option("size", size, "number of samples", ailab::at_least(1));
            v.option("x_key", x_key, "field of the numbers");
            v.option("y_key", y_key, "field of the class");
        }
    };
    explicit MyDataset(const Options& options) : o(options) {}
    int64_t size() const override { return o.size; }
    std::vector<std::string> fields() const override { return {o.x_key, o.y_key}; }
    ailab::Sample get(int64_t i, const ailab::SampleContext& context) const override {
        ailab::Philox random(context.seed, 0, uint64_t(i));
        const int64_t label = i % 2;
        Tensor x = torch::empty({8});
        for (int64_t k = 0; k < 8; ++k) x[k] = random.normal(label ? 1 : -1, 1);
        ailab::Sample sample;
        sample.fields[o.x_key] = x;
        sample.fields[o.y_key] = torch::tensor(label);
        return sample;
    }

  private:
    const Options o;
};
AILAB_REGISTER_DATASET(MyDataset, "Points of two classes")

class MyModel : public ailab::Model {
  public:
    MyModel() { fc = register_module("fc", torch::nn::Linear(8, 2)); }
    Tensor forward(const Tensor& x) override { return fc(x); }

  private:
    torch::nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(MyModel, "One linear layer")

/// Takes and gives fields by names of its own.
class Autoencoder : public ailab::Model {
  public:
    Autoencoder() {
        encoder = register_module("encoder", torch::nn::Linear(8, 4));
        decoder = register_module("decoder", torch::nn::Linear(4, 8));
    }
    std::vector<std::string> inputs() const override { return {"image"}; }
    Tensor forward(const Tensor& image) override { return decoder(torch::relu(encoder(image))); }

  private:
    torch::nn::Linear encoder{nullptr}, decoder{nullptr};
};
AILAB_REGISTER_MODEL(Autoencoder, "Two linear layers")

class ReconstructionLoss : public ailab::Loss {
  public:
    std::vector<std::string> inputs() const override { return {"pred", "original"}; }
    Tensor forward(const Tensor& pred, const Tensor& original) override {
        return torch::mse_loss(pred, original);
    }
};
AILAB_REGISTER_LOSS(ReconstructionLoss, "Mean squared error")

}  // namespace
