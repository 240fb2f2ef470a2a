// How far the probability that a model gives is the share in which it is right.
#include <cmath>

#include "class_input.hpp"
#include "logits.hpp"

namespace ailab {
namespace {

/// The distance of confidence and accuracy, bin by bin of the confidence (Naeini, Cooper and
/// Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015), as
/// torchmetrics: of several classes the confidence is the highest probability; of yes or no it is
/// the output, and the accuracy the share of yes.
class CalibrationError final : public ClassMetric {
  public:
    struct Options : LogitsOptions {
        int64_t n_bins = 15;
        std::string norm = "l1";
        void visit(OptionVisitor& v) {
            v.option("n_bins", n_bins, "bins of one width between 0 and 1", between(1, 1000));
            v.option("norm", norm,
                     "l1: the mean distance over the samples; l2: the root of its square's mean; "
                     "max: the largest of a bin",
                     one_of({"l1", "l2", "max"}));
            LogitsOptions::visit(v);
        }
    };

    explicit CalibrationError(const Options& options)
        : ClassMetric("CalibrationError", {.several_labels = false}), o_(options) {
        add_state("outside", {}, at::kLong);
        // One bin more, for a confidence of 1.
        for (const char* kind : {of_outputs, of_logits}) {
            add_state(concat(kind, "samples"), {o_.n_bins + 1}, at::kLong);
            add_state(concat(kind, "right"), {o_.n_bins + 1}, at::kLong);
            add_state(concat(kind, "confidence"), {o_.n_bins + 1}, at::kDouble);
        }
    }

    std::optional<bool> greater_is_better() const override { return false; }
    void update(const Tensor& output, const Tensor& target) override {
        take(o_, output, target);
        if (o_.logits == Logits::no && target.is_cpu()) check_probabilities(states());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        (void)fitting(states);
        if (o_.logits == Logits::no) check_probabilities(states);
        const bool logits = o_.logits == Logits::yes || (o_.logits == Logits::automatic &&
                                                         states.at("outside").item<int64_t>() != 0);
        const std::string kind = logits ? of_logits : of_outputs;
        const Tensor samples = states.at(kind + "samples").to(at::kDouble);
        const double all = samples.sum().item<double>();
        if (all == 0) return {{"", unknown}};
        const Tensor distance = (states.at(kind + "right") - states.at(kind + "confidence"))
                                    .abs()
                                    .div(samples)
                                    .masked_fill(samples.eq(0), 0);
        if (o_.norm == "max") return {{"", distance.max().item<double>()}};
        if (o_.norm == "l1") return {{"", (distance * samples).sum().item<double>() / all}};
        return {{"", std::sqrt((distance.square() * samples).sum().item<double>() / all)}};
    }

  protected:
    void add_batch(const ClassInput& input) override {
        if (!input.has_scores() || !input.output.is_floating_point())
            throw Error(concat(who(), ": needs scores, not class numbers"));
        const Tensor counts = input.target.ge(0);  // [N, M], or [N, 1, M] of yes or no
        const Tensor inside = input.output.ge(0).logical_and_(input.output.le(1));
        const Tensor all_inside = input.labels ? inside : inside.all(1);
        add("outside", counts.logical_and(all_inside.logical_not()).sum());
        if (o_.logits != Logits::yes) add_bins(of_outputs, input.output, input, counts);
        if (o_.logits == Logits::no) return;
        const Tensor exact = input.output.to(at::kDouble);
        add_bins(of_logits, input.labels ? exact.sigmoid() : exact.softmax(1), input, counts);
    }

  private:
    static constexpr const char* of_outputs = "outputs_";
    static constexpr const char* of_logits = "logits_";

    void add_bins(const std::string& kind, const Tensor& probability, const ClassInput& input,
                  const Tensor& counts) {
        Tensor confidence = probability, right = input.target.eq(1);
        if (!input.labels) {
            const auto [highest, number] = probability.max(1);
            confidence = highest;
            right = number.eq(input.target);
        }
        // The bins' edges have the outputs' precision, so that an output of 0.2 lies on one.
        const Tensor edges = at::linspace(0, 1, o_.n_bins + 1, confidence.options());
        const Tensor bin =
            (at::bucketize(confidence, edges, /*out_int32=*/false, /*right=*/true) - 1)
                .clamp(0, o_.n_bins)
                .masked_fill(counts.logical_not(), o_.n_bins + 1);
        add(kind + "samples", bins(bin));
        add(kind + "right", bins(bin.masked_fill(right.logical_not(), o_.n_bins + 1)));
        std::vector<Tensor> sums;
        for (int64_t b = 0; b <= o_.n_bins; ++b)
            sums.push_back(stable_total(confidence.masked_fill(bin.ne(b), 0)));
        add(kind + "confidence", at::stack(sums));
    }
    /// What is left out lies in one bin more.
    Tensor bins(const Tensor& bin) const {
        return count_numbers(bin, o_.n_bins + 2).narrow(0, 0, o_.n_bins + 1);
    }

    void check_probabilities(const std::map<std::string, Tensor>& states) const {
        const auto outside = states.at("outside").item<int64_t>();
        if (outside != 0)
            throw Error(concat(who(), ": the outputs of ", outside,
                               " samples lie outside of 0 to 1, so they are no probabilities; set "
                               "logits: true or auto"));
    }

    const Options o_;
};

}  // namespace

AILAB_REGISTER_METRIC(CalibrationError,
                      "Distance of the outputs' confidence from the share that is right, 0 to 1")

}  // namespace ailab
