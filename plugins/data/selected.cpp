// Datasets that choose among another's samples.
#include "selected.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"
#include "own_order.hpp"

namespace ailab {

void SelectedDataset::select(std::vector<int64_t> numbers) {
    numbers_ = std::move(numbers);
    std::vector<int32_t> times(static_cast<size_t>(dataset_->size()));
    std::vector<int32_t> repeats(numbers_.size());
    bool any = false;
    for (size_t i = 0; i < numbers_.size(); ++i) {
        repeats[i] = times.at(size_t(numbers_[i]))++;
        any = any || repeats[i] > 0;
    }
    if (!any) return;
    most_times_ = *std::max_element(times.begin(), times.end());
    repeats_ = std::move(repeats);
}

Sample SelectedDataset::get(int64_t index, const SampleContext& context) const {
    const auto at = size_t(index);
    SampleContext inner = context.inside();
    if (repeats_.empty()) return dataset_->get(numbers_.at(at), inner);
    // Of all (context.repeat, repeats_) no two give one number.
    inner.repeat = context.repeat * most_times_ + repeats_.at(at);
    return dataset_->get(numbers_.at(at), inner);
}

std::vector<int64_t> SelectedDataset::chosen(const std::vector<int64_t>& of_all) const {
    if (of_all.empty()) return {};
    std::vector<int64_t> values;
    for (const int64_t number : numbers_) values.push_back(of_all.at(size_t(number)));
    return values;
}

std::vector<int64_t> SelectedDataset::shuffled(uint64_t seed, int64_t epoch) const {
    if (!own_order(*dataset_, seed, epoch)) return Dataset::shuffled(seed, epoch);
    std::vector<int64_t> order;
    order.reserve(numbers_.size());
    std::vector<int64_t> places(static_cast<size_t>(dataset_->size()));
    for (int64_t round = 0; round < most_times_; ++round) {
        std::fill(places.begin(), places.end(), -1);
        for (size_t i = 0; i < numbers_.size(); ++i)
            if (repeats_.empty() || repeats_[i] == round) places[size_t(numbers_[i])] = int64_t(i);
        for (const int64_t number : dataset_->shuffled(seed, epoch | round << 40))
            if (places[size_t(number)] >= 0) order.push_back(places[size_t(number)]);
    }
    return order;
}

DataDigest SelectedDataset::digest() const {
    DataDigest digest = dataset_->digest();
    Digest chosen;
    for (const int64_t number : numbers_) chosen.add(number);
    digest["chosen samples"] = concat(numbers_.size(), ", ", chosen.str());
    return digest;
}

namespace {

std::vector<int64_t> range(int64_t begin, int64_t end) {
    std::vector<int64_t> numbers(static_cast<size_t>(end - begin));
    std::iota(numbers.begin(), numbers.end(), begin);
    return numbers;
}

class Subset final : public SelectedDataset {
  public:
    struct Options {
        ModuleSpec<Dataset> dataset;
        std::optional<std::vector<int64_t>> indices;
        int64_t begin = 0;
        std::optional<int64_t> end;

        void visit(OptionVisitor& v) {
            v.required("dataset", dataset, "whose samples are chosen from");
            v.option("indices", indices, "numbers of the samples", samples_from(0));
            v.option("begin", begin, "in place of indices: the first sample", samples_from(0));
            v.option("end", end, "in place of indices: one past the last; null: to the end",
                     samples_from(1));
            v.rule([this]() -> std::string {
                const bool has_range = begin != 0 || end;
                // Beside a range an empty list stands in each config.yaml that was saved while the
                // list was not optional.
                if (indices && indices->empty() && !has_range)
                    return "indices is empty: there would be no samples; leave it out for all";
                if (indices && !indices->empty() && has_range)
                    return "give either indices, or begin and end";
                if (end && *end <= begin) return "end must be above begin";
                return "";
            });
        }
    };

    explicit Subset(const Options& options) : SelectedDataset(make_dataset(options.dataset)) {
        const int64_t all = dataset().size();
        std::vector<int64_t> numbers = options.indices.value_or(std::vector<int64_t>());
        if (numbers.empty()) {
            const int64_t end = options.end.value_or(all);
            if (end > all || options.begin >= all)
                throw ConfigError(concat("samples ", options.begin, " … ", end - 1,
                                         " were asked for; the dataset has ", all));
            numbers = range(options.begin, end);
        }
        for (const int64_t number : numbers)
            if (number >= all)
                throw ConfigError(concat("sample ", number, " was asked for; the dataset has ", all,
                                         ", numbered from 0"));
        select(std::move(numbers));
    }
};

class Repeat final : public SelectedDataset {
  public:
    struct Options {
        ModuleSpec<Dataset> dataset;
        int64_t times = 2;
        void visit(OptionVisitor& v) {
            v.required("dataset", dataset, "what is repeated");
            v.option("times", times, "how often it comes in one epoch", samples_from(1));
        }
    };

    explicit Repeat(const Options& options) : SelectedDataset(make_dataset(options.dataset)) {
        constexpr double most = 1e10;
        if (double(options.times) * double(dataset().size()) > most)
            throw ConfigError(concat(options.times, " times ", dataset().size(),
                                     " samples are more than an epoch can have, ", most));
        std::vector<int64_t> numbers;
        for (int64_t i = 0; i < options.times; ++i) {
            const std::vector<int64_t> once = range(0, dataset().size());
            numbers.insert(numbers.end(), once.begin(), once.end());
        }
        select(std::move(numbers));
    }
};

/// Gupta, Dollár, Girshick, "LVIS", CVPR 2019, section 3.4: a sample comes max(1, sqrt(t / f))
/// times, f being the share of its class.
class ClassBalanced final : public SelectedDataset {
  public:
    struct Options {
        ModuleSpec<Dataset> dataset;
        double oversample_thr = 0.1;
        void visit(OptionVisitor& v) {
            v.required("dataset", dataset, "a classification set that knows its labels");
            v.option("oversample_thr", oversample_thr,
                     "classes with a smaller share of the samples are repeated", between(0, 1));
        }
    };

    explicit ClassBalanced(const Options& options)
        : SelectedDataset(make_dataset(options.dataset)) {
        const std::vector<int64_t> labels = dataset().labels();
        if (int64_t(labels.size()) != dataset().size())
            throw ConfigError(concat("dataset \"", options.dataset.type(),
                                     "\" does not know its labels without reading all samples"));
        std::map<int64_t, double> counts;
        for (const int64_t label : labels) ++counts[label];
        std::vector<int64_t> numbers;
        for (size_t i = 0; i < labels.size(); ++i) {
            const double share = counts[labels[i]] / double(labels.size());
            const double times = std::max(1.0, std::sqrt(options.oversample_thr / share));
            numbers.insert(numbers.end(), size_t(std::ceil(times)), int64_t(i));
        }
        select(std::move(numbers));
    }
};

}  // namespace

AILAB_REGISTER_DATASET(Subset, "Some samples of another dataset")
AILAB_REGISTER_DATASET(Repeat, "Another dataset several times in one epoch")
AILAB_REGISTER_DATASET(ClassBalanced, "Another dataset, samples of rare classes repeated")

}  // namespace ailab
