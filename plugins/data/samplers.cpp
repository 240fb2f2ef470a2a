// Samplers give the order of the whole job; the core gives each rank its slice.
#include <algorithm>
#include <map>
#include <numeric>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

std::vector<int64_t> in_order(int64_t count) {
    std::vector<int64_t> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), int64_t(0));
    return numbers;
}

class DefaultSampler final : public Sampler {
  public:
    static constexpr Role role = roles::shuffled;

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
    static constexpr Role role = roles::sequential;

    std::vector<int64_t> order(const Dataset& dataset, uint64_t, int64_t) const override {
        return in_order(dataset.size());
    }
    int64_t size(const Dataset& dataset) const override { return dataset.size(); }
};

/// How many numbers an epoch has that is not simply each sample once.
int64_t epoch_size(const std::optional<int64_t>& given, const Dataset& dataset) {
    return given.value_or(dataset.size());
}

class InfiniteSampler final : public Sampler {
  public:
    struct Options {
        std::optional<int64_t> samples_per_epoch;
        bool shuffle = true;
        void visit(OptionVisitor& v) {
            v.option("samples_per_epoch", samples_per_epoch,
                     "numbers given an epoch, a multiple of the global batch for batches that are "
                     "all full; null: as many as there are samples",
                     samples_from(1));
            v.option("shuffle", shuffle, "a new order each time that all samples were taken");
        }
    };
    explicit InfiniteSampler(const Options& options) : options_(options) {}

    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        const int64_t length = size(dataset), all = dataset.size();
        std::vector<int64_t> numbers;
        numbers.reserve(static_cast<size_t>(length));
        int64_t at = epoch * length;  // in the endless stream
        while (int64_t(numbers.size()) < length) {
            const std::vector<int64_t> round =
                options_.shuffle ? dataset.shuffled(seed, at / all) : in_order(all);
            const int64_t begin = at % all;
            const int64_t count = std::min(all - begin, length - int64_t(numbers.size()));
            numbers.insert(numbers.end(), round.begin() + begin, round.begin() + begin + count);
            at += count;
        }
        return numbers;
    }
    int64_t size(const Dataset& dataset) const override {
        return epoch_size(options_.samples_per_epoch, dataset);
    }

  private:
    const Options options_;
};

/// The samples of each class that has any, numbered as they stand.
std::vector<std::vector<int64_t>> by_class(const Dataset& dataset) {
    const std::vector<int64_t> labels = dataset.labels();
    if (int64_t(labels.size()) != dataset.size())
        throw ConfigError(
            "ClassBalancedSampler needs a dataset that knows its labels without reading all "
            "samples");
    std::map<int64_t, std::vector<int64_t>> classes;
    for (size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(int64_t(i));
    std::vector<std::vector<int64_t>> members;
    for (auto& [label, numbers] : classes) members.push_back(std::move(numbers));
    return members;
}

class ClassBalancedSampler final : public Sampler {
  public:
    struct Options {
        std::optional<int64_t> samples_per_epoch;
        void visit(OptionVisitor& v) {
            v.option("samples_per_epoch", samples_per_epoch,
                     "numbers given an epoch; null: as many as there are samples", samples_from(1));
        }
    };
    explicit ClassBalancedSampler(const Options& options) : options_(options) {}

    /// Each class gets the same share, to one; a class goes through all its samples before it
    /// begins again.
    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        const auto classes = by_class(dataset);
        const auto count = int64_t(classes.size()), length = size(dataset);
        std::vector<int64_t> numbers;
        numbers.reserve(static_cast<size_t>(length));
        const std::vector<int64_t> first = permutation(count, seed, uint64_t(epoch));
        for (int64_t c = 0; c < count; ++c) {
            const std::vector<int64_t>& members = classes[size_t(c)];
            const auto all = int64_t(members.size());
            // Which classes get one more changes from epoch to epoch.
            int64_t share = length / count + (first[size_t(c)] < length % count ? 1 : 0);
            for (uint64_t round = 0; share > 0; ++round) {
                const auto shuffled =
                    permutation(all, seed + uint64_t(c) + 1, uint64_t(epoch) | round << 40);
                for (int64_t i = 0; i < all && share > 0; ++i, --share)
                    numbers.push_back(members[size_t(shuffled[size_t(i)])]);
            }
        }
        const std::vector<int64_t> places = permutation(length, seed, uint64_t(epoch));
        std::vector<int64_t> mixed(numbers.size());
        for (size_t i = 0; i < mixed.size(); ++i) mixed[i] = numbers[size_t(places[i])];
        return mixed;
    }
    int64_t size(const Dataset& dataset) const override {
        return epoch_size(options_.samples_per_epoch, dataset);
    }

  private:
    const Options options_;
};

/// Hoffer et al., "Augment Your Batch", CVPR 2020: a batch holds each of its samples several times,
/// augmented differently.
class RepeatedAugmentationSampler final : public Sampler {
  public:
    struct Options {
        int64_t repeats = 3;
        std::optional<int64_t> samples_per_epoch;
        void visit(OptionVisitor& v) {
            v.option("repeats", repeats, "how often a sample comes, one after another",
                     count_from(1));
            v.option("samples_per_epoch", samples_per_epoch,
                     "numbers given an epoch, repeats counted; null: as many as there are samples, "
                     "so that each epoch sees a part of them",
                     samples_from(1));
        }
    };
    explicit RepeatedAugmentationSampler(const Options& options) : options_(options) {}

    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        const auto length = static_cast<size_t>(size(dataset));
        std::vector<int64_t> numbers;
        numbers.reserve(length);
        for (uint64_t round = 0; numbers.size() < length; ++round)
            for (const int64_t number : dataset.shuffled(seed, epoch | int64_t(round << 40)))
                for (int64_t i = 0; i < options_.repeats && numbers.size() < length; ++i)
                    numbers.push_back(number);
        return numbers;
    }
    int64_t size(const Dataset& dataset) const override {
        return epoch_size(options_.samples_per_epoch, dataset);
    }

  private:
    const Options options_;
};

}  // namespace

AILAB_REGISTER_SAMPLER(DefaultSampler, "Every sample once an epoch, shuffled by (seed, epoch)")
AILAB_REGISTER_SAMPLER(SequentialSampler, "Every sample once an epoch, in order")
AILAB_REGISTER_SAMPLER(InfiniteSampler, "An endless stream of shuffled rounds, cut into epochs")
AILAB_REGISTER_SAMPLER(ClassBalancedSampler, "As many samples of each class as of any other")
AILAB_REGISTER_SAMPLER(RepeatedAugmentationSampler,
                       "Each sample several times in a batch, augmented differently")

}  // namespace ailab
