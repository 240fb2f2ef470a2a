// Models whose parameters are unusual: one tensor under two names, two in one memory, complex ones,
// and such that no file can hold.
#include <ailab/ailab.hpp>

#include <fstream>

namespace {

namespace nn = torch::nn;
using ailab::Tensor;

/// Four numbers and a class a line.
class Numbers : public ailab::Dataset {
  public:
    struct Options {
        std::string file;
        void visit(ailab::OptionVisitor& v) { v.required("file", file, "the table"); }
    };
    explicit Numbers(const Options& options) {
        std::ifstream in(options.file);
        std::vector<double> row(5);
        while (in >> row[0] >> row[1] >> row[2] >> row[3] >> row[4]) {
            inputs_.push_back(torch::tensor({row[0], row[1], row[2], row[3]}, torch::kDouble)
                                  .to(torch::get_default_dtype()));
            targets_.push_back(torch::tensor(int64_t(row[4])));
        }
        if (inputs_.empty()) throw ailab::Error(options.file + " has no rows");
    }
    int64_t size() const override { return int64_t(inputs_.size()); }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        return {inputs_[size_t(i)], targets_[size_t(i)]};
    }

  private:
    std::vector<Tensor> inputs_, targets_;
};

/// Two layers of one weight.
class Tied : public ailab::Model {
  public:
    struct Options {
        std::string how = "parameter";
        void visit(ailab::OptionVisitor& v) {
            v.option("how", how, "in which way the layers share it",
                     ailab::one_of({"parameter", "module", "function", "assign", "memory"}));
        }
    };
    explicit Tied(const Options& options) : how_(options.how) {
        fc1_ = register_module("fc1", nn::Linear(4, 4));
        if (how_ == "parameter") head_ = register_parameter("head", fc1_->weight);
        if (how_ == "module") register_module("fc2", fc1_);
        if (how_ == "memory") head_ = register_parameter("head", fc1_->weight.detach());
        if (how_ == "assign") {
            fc2_ = register_module("fc2", nn::Linear(4, 4));
            fc2_->weight = fc1_->weight;  // the registered one stays another
        }
    }
    Tensor forward(const Tensor& x) override {
        const Tensor y = torch::relu(fc1_(x.to(fc1_->weight.scalar_type())));
        if (how_ == "module") return fc1_(y);
        if (how_ == "assign") return fc2_(y);
        return torch::linear(y, head_.defined() ? head_ : fc1_->weight);
    }

  private:
    const std::string how_;
    nn::Linear fc1_{nullptr}, fc2_{nullptr};
    Tensor head_;
};

/// The sizes of complex products.
class Wave : public ailab::Model {
  public:
    Wave() {
        w_ = register_parameter("w", torch::randn({4, 4}, torch::kComplexFloat));
        b_ = register_parameter("b", torch::zeros({4}));
        phase_ = register_buffer(
            "phase", torch::polar(torch::ones({4}), torch::arange(4).to(torch::kFloat)));
    }
    Tensor forward(const Tensor& x) override {
        return torch::matmul(x.to(w_.scalar_type()) * phase_, w_).abs() + b_;
    }

  private:
    Tensor w_, b_, phase_;
};

/// A linear layer with a buffer that files may be unable to hold.
class Odd : public ailab::Model {
  public:
    struct Options {
        std::string what = "sparse";
        void visit(ailab::OptionVisitor& v) {
            v.option("what", what, "the buffer", ailab::one_of({"sparse", "quantized", "twice"}));
        }
    };
    explicit Odd(const Options& options) {
        fc_ = register_module("fc", nn::Linear(4, 4));
        if (options.what == "sparse") register_buffer("graph", torch::eye(4).to_sparse());
        if (options.what == "quantized")
            register_buffer("codes",
                            torch::quantize_per_tensor(torch::ones({4}), 0.1, 0, torch::kQInt8));
        if (options.what == "twice") {
            register_parameter("scale", torch::ones({4}));
            register_buffer("scale", torch::ones({4}));
        }
    }
    Tensor forward(const Tensor& x) override { return fc_(x); }

  private:
    nn::Linear fc_{nullptr};
};

}  // namespace

AILAB_PLUGIN("shared_parameters", "1.0", "Models with unusual parameters")
AILAB_REGISTER_DATASET(Numbers, "Four numbers and a class a line")
AILAB_REGISTER_MODEL(Tied, "Two layers of one weight")
AILAB_REGISTER_MODEL(Wave, "Complex weights")
AILAB_REGISTER_MODEL(Odd, "Buffers that cannot be saved")
