// Batches of samples of similar length, so that little of them is padding.
#include <algorithm>
#include <limits>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

/// As transformers' LengthGroupedSampler: the samples are shuffled, cut into chunks, and each chunk
/// is sorted by length and cut into batches. These come in random order, so that an epoch does not
/// go from long to short, but for the one with the longest sample: it comes first, so that where
/// memory does not suffice that is seen at once. The batch that is left, smaller than the others,
/// comes last.
class LengthGroupedSampler final : public BatchSampler {
  public:
    struct Options {
        std::optional<std::string> field;
        int64_t chunk_batches = 50;
        bool shuffle = true;
        void visit(OptionVisitor& v) {
            v.option("field", field,
                     "whose length counts; null: the only one that the data set pads");
            v.option("chunk_batches", chunk_batches,
                     "batches of a chunk, in which samples are sorted by length: more of them pad "
                     "less, fewer are nearer to a random order",
                     count_from(1));
            v.option("shuffle", shuffle,
                     "a new order each epoch, a function of (seed, epoch); false: that of the data "
                     "set, cut into chunks");
        }
    };
    explicit LengthGroupedSampler(const Options& options) : o_(options) {}

    EpochBatches batches(const Dataset& dataset, uint64_t seed, int64_t epoch,
                         const BatchRequest& request) const override {
        const std::vector<int64_t> lengths = lengths_of(dataset);
        const int64_t all = dataset.size(), size = request.size;
        std::vector<int64_t> ids = o_.shuffle ? dataset.shuffled(seed, epoch) : in_order(all);
        const int64_t chunk = chunk_size(size);
        for (int64_t begin = 0; begin < all; begin += chunk)
            std::stable_sort(
                ids.begin() + begin, ids.begin() + std::min(begin + chunk, all),
                [&](int64_t a, int64_t b) { return lengths[size_t(a)] > lengths[size_t(b)]; });
        const int64_t whole = all / size;
        // Not that by which the samples are shuffled.
        constexpr uint64_t own_stream = uint64_t(1) << 62;
        std::vector<int64_t> order =
            o_.shuffle ? permutation(whole, seed, uint64_t(epoch) | own_stream) : in_order(whole);
        const auto longest =
            std::max_element(order.begin(), order.end(), [&](int64_t a, int64_t b) {
                return lengths[size_t(ids[size_t(a * size)])] <
                       lengths[size_t(ids[size_t(b * size)])];
            });
        if (o_.shuffle && longest != order.end()) std::rotate(order.begin(), longest, longest + 1);
        EpochBatches batches;
        batches.ids.reserve(size_t(all));
        for (const int64_t batch : order) {
            const auto first = ids.begin() + batch * size;
            batches.ids.insert(batches.ids.end(), first, first + size);
            batches.ends.push_back(int64_t(batches.ids.size()));
        }
        if (whole * size < all && !request.drop_last) {
            batches.ids.insert(batches.ids.end(), ids.begin() + whole * size, ids.end());
            batches.ends.push_back(all);
        }
        return batches;
    }

  private:
    static std::vector<int64_t> in_order(int64_t count) {
        std::vector<int64_t> numbers(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) numbers[size_t(i)] = i;
        return numbers;
    }

    /// Samples of a chunk.
    int64_t chunk_size(int64_t batch) const {
        int64_t samples = 0;
        return __builtin_mul_overflow(batch, o_.chunk_batches, &samples)
                   ? std::numeric_limits<int64_t>::max() / 2
                   : samples;
    }

    std::vector<int64_t> lengths_of(const Dataset& dataset) const {
        const std::string field = o_.field ? *o_.field : padded_field(dataset);
        std::vector<int64_t> lengths = dataset.lengths(field);
        if (int64_t(lengths.size()) != dataset.size())
            throw ConfigError(
                concat("LengthGroupedSampler needs a data set that knows the length of \"", field,
                       "\" in each sample without reading them: let it override lengths()"));
        return lengths;
    }

    static std::string padded_field(const Dataset& dataset) {
        std::vector<std::string> padded;
        for (const FieldSpec& spec : dataset.field_specs())
            if (spec.layout == BatchLayout::pad) padded.push_back(spec.name);
        if (padded.size() == 1) return padded[0];
        throw ConfigError(concat("LengthGroupedSampler: the data set pads ",
                                 padded.empty() ? "no field" : join(padded),
                                 "; set field to the one whose length counts"));
    }

    const Options o_;
};

}  // namespace

AILAB_REGISTER_SAMPLER(LengthGroupedSampler,
                       "Batches of samples of similar length, by random chunks")

}  // namespace ailab
