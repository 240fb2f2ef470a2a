// Two small models to begin with.
#include "blocks.hpp"
#include "options/limits.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

/// Linear layers "fc1", "fc2", … with ReLU between them.
class MLP final : public Model {
  public:
    struct Options {
        int64_t in_features = 784;
        std::vector<int64_t> hidden = {128};
        int64_t num_classes = 10;
        double dropout = 0;
        void visit(OptionVisitor& v) {
            v.option("in_features", in_features, "numbers of a sample, whatever its shape",
                     size_from(1));
            v.option("hidden", hidden, "widths of the hidden layers", size_from(1));
            v.option("num_classes", num_classes, "number of classes", size_from(1));
            v.option("dropout", dropout, "after each hidden layer", between(0, 1));
        }
    };
    explicit MLP(const Options& options) : dropout_(options.dropout) {
        int64_t in = options.in_features;
        const auto add = [&](int64_t out) {
            layers_.push_back(
                register_module("fc" + std::to_string(layers_.size() + 1), nn::Linear(in, out)));
            in = out;
        };
        for (const int64_t width : options.hidden) add(width);
        add(options.num_classes);
    }
    Tensor forward(const Tensor& x) override {
        Tensor y = layers_[0](x.flatten(1));
        for (size_t i = 1; i < layers_.size(); ++i)
            y = layers_[i](at::dropout(y.relu_(), dropout_, is_training()));
        return y;
    }

  private:
    double dropout_;
    std::vector<nn::Linear> layers_;
};

/// LeNet-5 (LeCun et al., 1998) as it is used today: with ReLU and max pooling.
class LeNet5 final : public Model {
  public:
    struct Options {
        int64_t num_classes = 10;
        int64_t in_channels = 1;
        int64_t image_size = 28;
        void visit(OptionVisitor& v) {
            v.option("num_classes", num_classes, "number of classes", size_from(1));
            v.option("in_channels", in_channels, "channels of the images", size_from(1));
            v.option("image_size", image_size, "height and width of the images: 28 or 32");
            v.rule([this] {
                return image_size == 28 || image_size == 32
                           ? std::string()
                           : concat("image_size must be 28 or 32, got ", image_size, ".");
            });
        }
    };
    explicit LeNet5(const Options& options) : image_size_(options.image_size) {
        const int64_t padding = (32 - options.image_size) / 2;
        conv1_ = register_module(
            "conv1", nn::Conv2d(nn::Conv2dOptions(options.in_channels, 6, 5).padding(padding)));
        conv2_ = register_module("conv2", nn::Conv2d(nn::Conv2dOptions(6, 16, 5)));
        fc1_ = register_module("fc1", nn::Linear(16 * 5 * 5, 120));
        fc2_ = register_module("fc2", nn::Linear(120, 84));
        fc3_ = register_module("fc3", nn::Linear(84, options.num_classes));
    }
    Tensor forward(const Tensor& x) override {
        if (x.size(2) != image_size_ || x.size(3) != image_size_)
            throw Error(concat("lenet5 with image_size ", image_size_, " was given images of ",
                               x.size(2), "x", x.size(3), "; set image_size to 28 or 32"));
        Tensor y = at::max_pool2d(conv1_(x).relu_(), {2, 2});
        y = at::max_pool2d(conv2_(y).relu_(), {2, 2});
        return fc3_(fc2_(fc1_(y.flatten(1)).relu_()).relu_());
    }

  private:
    int64_t image_size_;
    nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
    nn::Linear fc1_{nullptr}, fc2_{nullptr}, fc3_{nullptr};
};

}  // namespace

AILAB_REGISTER_AS(Model, MLP, "mlp", "Linear layers with ReLU between them")
AILAB_REGISTER_AS(Model, LeNet5, "lenet5", "LeNet-5 for images of 28x28 or 32x32")

}  // namespace ailab::vision
