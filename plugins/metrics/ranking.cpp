// How well scores rank the samples of a class above the others: exact, from all scores.
#include <algorithm>
#include <cmath>
#include <optional>

#include "class_counts.hpp"
#include "logits.hpp"

namespace ailab {
namespace {

struct Scored {
    double score;
    bool positive;
};

/// Samples of one score, of which none comes before another.
struct Tie {
    int64_t positives = 0;
    int64_t negatives = 0;
};

/// The ties from the highest score down: what both curves are made of. It does not depend on the
/// order in which samples came.
std::vector<Tie> ties(std::vector<Scored> samples) {
    std::sort(samples.begin(), samples.end(),
              [](const Scored& a, const Scored& b) { return a.score > b.score; });
    std::vector<Tie> result;
    for (size_t i = 0; i < samples.size(); ++i) {
        if (i == 0 || samples[i].score != samples[i - 1].score) result.emplace_back();
        ++(samples[i].positive ? result.back().positives : result.back().negatives);
    }
    return result;
}

/// The probability that a positive has a higher score than a negative, a tie counting half (Mann
/// and Whitney, 1947). Undefined without either.
std::optional<double> area_under_roc(const std::vector<Tie>& ties) {
    int64_t positives = 0, negatives = 0, twice_won = 0;
    for (const Tie& tie : ties) {
        twice_won += tie.negatives * (2 * positives + tie.positives);
        positives += tie.positives;
        negatives += tie.negatives;
    }
    if (positives == 0 || negatives == 0) return std::nullopt;
    return double(twice_won) / (2 * double(positives) * double(negatives));
}

/// The mean precision at each positive, as scikit-learn: no interpolation. Undefined without
/// positives.
std::optional<double> average_precision(const std::vector<Tie>& ties) {
    int64_t positives = 0, all = 0;
    double sum = 0;
    for (const Tie& tie : ties) {
        positives += tie.positives;
        all += tie.positives + tie.negatives;
        sum += double(tie.positives) * (double(positives) / double(all));
    }
    if (positives == 0) return std::nullopt;
    return sum / double(positives);
}

/// The sigmoid of all scores as PyTorch rounds it, number by number: its own takes several at a
/// time and rounds those of a remainder otherwise, so that equal scores may be no tie.
template <class Score>
Tensor sigmoid_of(const Tensor& scores) {
    Tensor result = scores.contiguous().clone();
    auto* value = result.mutable_data_ptr<double>();
    for (int64_t i = 0; i < result.numel(); ++i)
        value[i] = double(1 / (1 + std::exp(-Score(value[i]))));
    return result;
}

/// Keeps each sample's scores and target. Several classes: each one against the rest.
class RankingMetric : public ClassMetric {
  public:
    struct Options : LogitsOptions {
        std::string average = "macro";
        void visit(OptionVisitor& v) {
            LogitsOptions::visit(v);
            v.option("average", average,
                     "macro: mean over the classes for which it is defined; weighted: by the "
                     "classes' samples; none: a result for each class",
                     one_of({"macro", "weighted", "none"}));
        }
    };

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) final {
        take(o_, output, target);
        if (output.scalar_type() == at::kDouble) count("doubles", output.size(0));
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const std::string prefix = fitting(states);
        const bool in_double = states.at("doubles").item<int64_t>() != 0;
        for (const bool labels : {true, false})
            if (const auto kept = states.find(prefix + rows_name(labels)); kept != states.end())
                return of_classes(probabilities(kept->second, labels, in_double), labels);
        return nothing_known(o_, o_.average == "none");
    }

  protected:
    using Area = std::optional<double> (*)(const std::vector<Tie>&);
    RankingMetric(std::string who, const Options& options, Area area)
        : ClassMetric(std::move(who)), o_(options), area_(area) {
        add_state("doubles", {}, at::kLong);
    }

    void add_batch(const ClassInput& input) final {
        if (!input.has_scores()) throw Error(concat(who(), ": needs scores, not class numbers"));
        const int64_t c = input.classes;
        // [N, C, M] to [N * M, C]
        const Tensor scores = input.output.to(at::kDouble).transpose(1, 2).reshape({-1, c});
        const int64_t columns = input.labels ? c : 1;
        const Tensor targets =
            (input.labels ? input.target.transpose(1, 2) : input.target).reshape({-1, columns});
        const std::string name = input.prefix + rows_name(input.labels);
        if (!rows().contains(name)) add_rows(name, {c + columns}, at::kDouble);
        append(name, at::cat({scores, targets.to(at::kDouble)}, 1));
    }

  private:
    /// It tells a rank without samples which form the others have seen.
    static const char* rows_name(bool labels) { return labels ? "labels" : "classes"; }

    /// The rows with the scores made probabilities, if they are none. In the outputs' precision:
    /// as with torchmetrics, what rounds to one probability is a tie.
    Tensor probabilities(const Tensor& kept, bool labels, bool in_double) const {
        const int64_t classes = labels ? kept.size(1) / 2 : kept.size(1) - 1;
        const Tensor scores = kept.narrow(1, 0, classes);
        const Tensor targets = kept.narrow(1, classes, kept.size(1) - classes);
        if (o_.logits == Logits::no) return kept;
        if (o_.logits == Logits::automatic) {
            const Tensor inside = scores.ge(0).logical_and_(scores.le(1));
            // Of several labels every output counts, as with torchmetrics.
            const Tensor unused = targets.lt(0);
            const bool all = classes > 1 && labels;
            if ((all ? inside : inside.logical_or(unused)).all().item<bool>()) return kept;
        }
        if (labels) {
            const Tensor known = in_double ? sigmoid_of<double>(scores) : sigmoid_of<float>(scores);
            return at::cat({known, targets}, 1);
        }
        const Tensor logits = scores.to(in_double ? at::kDouble : at::kFloat);
        return at::cat({logits.contiguous().softmax(1).to(at::kDouble), targets}, 1);
    }

    std::map<std::string, double> of_classes(const Tensor& kept, bool labels) const {
        const int64_t classes = labels ? kept.size(1) / 2 : kept.size(1) - 1;
        std::vector<double> values;
        double total = 0, weights = 0;
        for (int64_t c = 0; c < classes; ++c) {
            const auto [value, positives] = of_class(kept, labels, c, classes);
            values.push_back(value.value_or(unknown));
            if (!value) continue;
            const double weight = o_.average == "weighted" ? positives : 1;
            total += weight * *value;
            weights += weight;
        }
        if (o_.average == "none") return by_class(values);
        return {{"", total / weights}};  // 0 / 0 is NaN
    }

    /// The area if it is defined, NaN if a score is; and the number of positives.
    std::pair<std::optional<double>, double> of_class(const Tensor& kept, bool labels, int64_t c,
                                                      int64_t classes) const {
        const auto rows = kept.accessor<double, 2>();
        std::vector<Scored> samples;
        double positives = 0;
        bool has_nan = false;
        for (int64_t i = 0; i < rows.size(0); ++i) {
            const double target = rows[i][labels ? classes + c : classes];
            if (target < 0) continue;  // left out
            const bool positive = labels ? target == 1 : target == double(c);
            has_nan = has_nan || std::isnan(rows[i][c]);
            positives += positive;
            samples.push_back({rows[i][c], positive});
        }
        return {has_nan ? unknown : area_(ties(std::move(samples))), positives};
    }

    const Options o_;
    const Area area_;
};

class AUROC final : public RankingMetric {
  public:
    explicit AUROC(const Options& options) : RankingMetric("AUROC", options, area_under_roc) {}
};

class AveragePrecision final : public RankingMetric {
  public:
    explicit AveragePrecision(const Options& options)
        : RankingMetric("AveragePrecision", options, average_precision) {}
};

}  // namespace

AILAB_REGISTER_METRIC(AUROC, "Area under the receiver operating characteristic, 0 to 1")
AILAB_REGISTER_METRIC(AveragePrecision, "Area under the precision-recall curve, 0 to 1")

}  // namespace ailab
