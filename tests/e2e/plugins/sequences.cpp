// Sequences of tokens, and a model that says a class for each of them.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("sequences", "1.0", "A class for each token")

namespace {

using ailab::Tensor;

struct Form {
    int64_t classes = 50, length = 30;
    bool classes_last = false;
    void visit(ailab::OptionVisitor& v) {
        v.option("classes", classes, "of a token, and kinds of tokens");
        v.option("length", length, "tokens a sample, and positions that are known");
        v.option("classes_last", classes_last, "[N, T, C] in place of [N, C, T]");
    }
};

class Tokens final : public ailab::Dataset {
  public:
    using Options = Form;
    explicit Tokens(const Options& options) : o(options) {}
    int64_t size() const override { return 6; }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const Tensor tokens = (torch::arange(o.length) * 7 + i) % o.classes;
        return {tokens, (tokens + 1) % o.classes};
    }

  private:
    const Options o;
};
AILAB_REGISTER_DATASET(Tokens, "The target of a token is the next one")

class Tagger : public ailab::Model {
  public:
    using Options = Form;
    explicit Tagger(const Options& options) : o(options) {
        embedding = register_module("embedding", torch::nn::Embedding(o.classes, 8));
        head = register_module("head", torch::nn::Linear(8, o.classes));
    }
    Tensor forward(const Tensor& x) override {
        const Tensor y = head(embedded(x));
        return o.classes_last ? y : y.transpose(1, 2);
    }

  protected:
    virtual Tensor embedded(const Tensor& x) { return embedding(x); }
    const Options o;
    torch::nn::Embedding embedding{nullptr};
    torch::nn::Linear head{nullptr};
};
AILAB_REGISTER_MODEL(Tagger, "Takes any length")

class PositionTagger final : public Tagger {
  public:
    explicit PositionTagger(const Options& options) : Tagger(options) {
        positions = register_parameter("positions", torch::randn({o.length, 8}));
    }

  protected:
    Tensor embedded(const Tensor& x) override { return embedding(x) + positions; }
    Tensor positions;
};
AILAB_REGISTER_MODEL(PositionTagger, "Takes its own length alone")

}  // namespace
