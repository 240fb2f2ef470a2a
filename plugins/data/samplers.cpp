// Samplers deal the order of the whole job; the core gives each rank its slice.
#include <numeric>

#include "ailab/ailab.hpp"

namespace ailab {
namespace {

std::vector<int64_t> in_order(int64_t count) {
    std::vector<int64_t> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), int64_t(0));
    return numbers;
}

class DefaultSampler final : public Sampler {
  public:
    struct Options {
        bool shuffle = true;
        void visit(OptionVisitor& v) {
            v.option("shuffle", shuffle, "a new order each epoch, a function of (seed, epoch)");
        }
    };
    explicit DefaultSampler(const Options& options) : shuffle_(options.shuffle) {}

    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        return shuffle_ ? dataset.shuffled(seed, epoch) : in_order(dataset.size());
    }
    int64_t size(const Dataset& dataset) const override { return dataset.size(); }

  private:
    const bool shuffle_;
};

class SequentialSampler final : public Sampler {
  public:
    std::vector<int64_t> order(const Dataset& dataset, uint64_t, int64_t) const override {
        return in_order(dataset.size());
    }
    int64_t size(const Dataset& dataset) const override { return dataset.size(); }
};

}  // namespace

AILAB_REGISTER_SAMPLER(DefaultSampler, "Every sample once an epoch, shuffled by (seed, epoch)")
AILAB_REGISTER_SAMPLER(SequentialSampler, "Every sample once an epoch, in order")

}  // namespace ailab
