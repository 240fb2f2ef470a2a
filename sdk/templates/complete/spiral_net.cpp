// A model: linear layers of equal width.
#include <ailab/ailab.hpp>

using ailab::Tensor;

class SpiralNet : public ailab::Model {
  public:
    struct Options {
        std::vector<int64_t> hidden = {64, 64};
        int64_t num_classes = 0;
        std::string activation = "relu";
        void visit(ailab::OptionVisitor& v) {
            v.option("hidden", hidden, "width of each hidden layer", ailab::at_least(1));
            v.required("num_classes", num_classes, "number of classes", ailab::at_least(2));
            v.option("activation", activation, "between the layers",
                     ailab::one_of({"relu", "tanh"}));
        }
    };

    explicit SpiralNet(const Options& options) : tanh_(options.activation == "tanh") {
        int64_t width = 2;
        for (const int64_t next : options.hidden) {
            layers_->push_back(torch::nn::Linear(width, next));
            width = next;
        }
        layers_->push_back(torch::nn::Linear(width, options.num_classes));
        register_module("layers", layers_);
    }

    Tensor forward(const Tensor& points) override {
        Tensor x = points;
        for (size_t i = 0; i < layers_->size(); ++i) {
            if (i > 0) x = tanh_ ? torch::tanh(x) : torch::relu(x);
            x = layers_->at<torch::nn::LinearImpl>(i).forward(x);
        }
        return x;
    }

  private:
    bool tanh_;
    torch::nn::ModuleList layers_;
};

AILAB_REGISTER_MODEL(SpiralNet, "A multi-layer perceptron for points of a plane")
