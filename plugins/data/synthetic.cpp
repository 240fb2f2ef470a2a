// Samples out of nothing, to try a model or a machine without data.
#include "ailab/ailab.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

class Synthetic final : public Dataset {
  public:
    struct Options {
        int64_t size = 1000;
        std::vector<int64_t> shape{3, 224, 224};
        int64_t num_classes = 10;
        int64_t seed = 0;

        void visit(OptionVisitor& v) {
            v.option("size", size, "number of samples", samples_from(1));
            v.option("shape", shape, "of the input", size_from(1));
            v.option("num_classes", num_classes, "labels are 0 … num_classes-1", size_from(1));
            v.option("seed", seed, "another set");
            v.rule([this]() -> std::string {
                if (shape.empty()) return "shape is empty";
                constexpr double most = 1e9;
                double numbers = 1;
                for (const int64_t side : shape) numbers *= double(side);
                return numbers > most ? concat("a sample of this shape has ", numbers,
                                               " numbers; at most ", most, " are allowed")
                                      : "";
            });
        }
    };

    explicit Synthetic(const Options& options) : options_(options) {}

    int64_t size() const override { return options_.size; }
    std::optional<int64_t> num_classes() const override { return options_.num_classes; }
    std::vector<int64_t> labels() const override {
        std::vector<int64_t> labels(static_cast<size_t>(size()));
        for (size_t i = 0; i < labels.size(); ++i) labels[i] = label(int64_t(i));
        return labels;
    }

    /// Noise around the class's own mean, so that there is something to learn.
    Sample get(int64_t index, const SampleContext&) const override {
        Tensor input = at::empty(options_.shape, at::kFloat);
        Philox random(uint64_t(options_.seed), 1, uint64_t(index));
        const int64_t kind = label(index);
        const double mean =
            options_.num_classes == 1 ? 0 : 2 * double(kind) / double(options_.num_classes - 1) - 1;
        auto* values = input.mutable_data_ptr<float>();
        constexpr double to_unit = 1.0 / 4294967296.0;
        for (int64_t i = 0; i < input.numel(); ++i)
            values[i] = float(mean + 2 * to_unit * random.next() - 1);
        return Sample(std::move(input), at::scalar_tensor(kind, at::kLong));
    }

  private:
    int64_t label(int64_t index) const {
        return int64_t(Philox(uint64_t(options_.seed), 0, uint64_t(index))
                           .below(uint64_t(options_.num_classes)));
    }

    const Options options_;
};

}  // namespace

AILAB_REGISTER_DATASET(Synthetic, "Random inputs with labels that can be learnt, made on the fly")

}  // namespace ailab
