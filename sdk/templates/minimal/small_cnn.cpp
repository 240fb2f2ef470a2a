// A plugin with one model: a convolutional network for grey images of 28x28 pixels.
#include <ailab/ailab.hpp>

using ailab::Tensor;
using namespace torch::nn;

class SmallCNN : public ailab::Model {
  public:
    struct Options {
        int64_t num_classes = 10;
        void visit(ailab::OptionVisitor& v) {
            v.option("num_classes", num_classes, "number of classes", ailab::at_least(2));
        }
    };

    explicit SmallCNN(const Options& options) {
        conv1 = register_module("conv1", Conv2d(Conv2dOptions(1, 32, 3).padding(1)));
        conv2 = register_module("conv2", Conv2d(Conv2dOptions(32, 64, 3).padding(1)));
        fc1 = register_module("fc1", Linear(64 * 7 * 7, 128));
        fc2 = register_module("fc2", Linear(128, options.num_classes));
    }

    Tensor forward(const Tensor& images) override {
        Tensor x = torch::max_pool2d(torch::relu(conv1(images)), 2);
        x = torch::max_pool2d(torch::relu(conv2(x)), 2);
        return fc2(torch::relu(fc1(x.flatten(1))));
    }

  private:
    Conv2d conv1{nullptr}, conv2{nullptr};
    Linear fc1{nullptr}, fc2{nullptr};
};

AILAB_PLUGIN("minimal", "1.0", "One small model")
AILAB_REGISTER_MODEL(SmallCNN, "Two convolutions and two linear layers for 28x28 grey images")
