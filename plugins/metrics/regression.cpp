// Metrics of numbers: errors, the coefficient of determination, and a plain mean.
#include <cmath>

#include "counting.hpp"
#include "moments.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

/// The mean of a function of output and target over all elements.
class MeanError : public CountingMetric {
  public:
    std::optional<bool> greater_is_better() const override { return false; }
    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check_same_shape(who_, output, target);
        add("total", stable_total(error(output.to(at::kDouble), target.to(at::kDouble))));
        count("elements", output.numel());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const double mean = states.at("total").item<double>() /
                            double(states.at("elements").item<int64_t>());  // 0 / 0 is NaN
        return {{"", finish(mean)}};
    }

  protected:
    explicit MeanError(std::string who) : who_(std::move(who)) {
        add_state("total", {}, at::kDouble);
        add_state("elements", {}, at::kLong);
    }
    virtual Tensor error(const Tensor& output, const Tensor& target) const = 0;
    virtual double finish(double mean) const { return mean; }

  private:
    const std::string who_;
};

class MeanAbsoluteError final : public MeanError {
  public:
    using Options = NoOptions;
    explicit MeanAbsoluteError(const Options&) : MeanError("MeanAbsoluteError") {}

  protected:
    Tensor error(const Tensor& output, const Tensor& target) const override {
        return (output - target).abs();
    }
};

class MeanAbsolutePercentageError final : public MeanError {
  public:
    using Options = NoOptions;
    explicit MeanAbsolutePercentageError(const Options&)
        : MeanError("MeanAbsolutePercentageError") {}

  protected:
    Tensor error(const Tensor& output, const Tensor& target) const override {
        constexpr double smallest = 1.17e-6;  // scikit-learn's and torchmetrics'
        return (output - target).abs() / target.abs().clamp_min(smallest);
    }
};

class SquaredError : public MeanError {
  protected:
    SquaredError(std::string who, bool root) : MeanError(std::move(who)), root_(root) {}
    Tensor error(const Tensor& output, const Tensor& target) const override {
        return (output - target).square();
    }
    double finish(double mean) const override { return root_ ? std::sqrt(mean) : mean; }

  private:
    const bool root_;
};

class MeanSquaredError final : public SquaredError {
  public:
    struct Options {
        bool squared = true;
        void visit(OptionVisitor& v) { v.option("squared", squared, "false: its root"); }
    };
    explicit MeanSquaredError(const Options& options)
        : SquaredError("MeanSquaredError", !options.squared) {}
};

class RootMeanSquaredError final : public SquaredError {
  public:
    using Options = NoOptions;
    explicit RootMeanSquaredError(const Options&) : SquaredError("RootMeanSquaredError", true) {}
};

/// 1 - the residuals' sum of squares over the targets' (Draper and Smith, Applied Regression
/// Analysis), as scikit-learn where the targets are all the same: 1 if the outputs are right,
/// else 0. Of [N] or [N, D]. A row a batch holds the moments, so the memory does not grow with the
/// samples.
class R2Score final : public CountingMetric {
  public:
    struct Options {
        int64_t adjusted = 0;
        std::string multioutput = "uniform_average";
        void visit(OptionVisitor& v) {
            v.option("adjusted", adjusted,
                     "number of regressors to adjust for; not done unless there are at least two "
                     "samples more",
                     size_from(0));
            v.option("multioutput", multioutput,
                     "how the scores of several outputs make one, or raw_values: a result for each",
                     one_of({"uniform_average", "variance_weighted", "raw_values"}));
        }
    };

    explicit R2Score(const Options& options) : o_(options) {}

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check_same_shape("R2Score", output, target);
        if (output.dim() > 2)
            throw Error(concat("R2Score: expected output and target [N] or [N, outputs]; got ",
                               describe(output, target)));
        const int64_t n = output.size(0);
        const Tensor actual = by_output(target, n);
        const auto [mean, rest] = centred(actual);
        const Tensor residuals =
            stable_sum((actual - by_output(output, n)).square().t().contiguous());
        const Tensor kept = at::stack(
            {at::full_like(mean, double(n)), actual[0], mean, stable_sum(rest.square()), residuals},
            1);
        if (!rows().contains("rows")) add_rows("rows", kept.sizes(), at::kDouble);
        append("rows", kept.unsqueeze(0));
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const auto rows = states.find("rows");
        if (rows == states.end()) return {{"", unknown}};
        const auto [n, spread, residuals] = of_rows(rows->second.contiguous());
        if (n < 2) return {{"", unknown}};
        const Tensor scores =
            at::where(spread.gt(0), 1 - residuals / spread, residuals.eq(0).to(at::kDouble));
        std::map<std::string, double> results;
        if (o_.multioutput == "raw_values" && scores.numel() > 1) {
            for (int64_t i = 0; i < scores.numel(); ++i)
                results[std::to_string(i)] = adjust(scores[i].item<double>(), n);
            return results;
        }
        const bool weighted =
            o_.multioutput == "variance_weighted" && spread.gt(0).any().item<bool>();
        const Tensor score = weighted ? (spread / spread.sum() * scores).sum() : scores.mean();
        return {{"", adjust(score.item<double>(), n)}};
    }

  private:
    struct Sums {
        int64_t samples = 0;
        Tensor spread, residuals;  // of each output
    };
    /// Of [rows, D, 5].
    static Sums of_rows(const Tensor& rows) {
        const int64_t outputs = rows.size(1);
        Sums sums{0, at::zeros({outputs}, at::kDouble), at::zeros({outputs}, at::kDouble)};
        const std::vector<int64_t> order = fixed_order(rows);
        const auto value = rows.accessor<double, 3>();
        for (int64_t d = 0; d < outputs; ++d) {
            Spread all;
            double residuals = 0;
            for (const int64_t i : order) {
                const auto m = value[i][d];
                all.add({m[0], m[1], m[2], m[3]});
                residuals += m[4];
            }
            sums.samples = int64_t(all.n);
            sums.spread.mutable_data_ptr<double>()[d] = all.squares;
            sums.residuals.mutable_data_ptr<double>()[d] = residuals;
        }
        return sums;
    }

    /// float64 [N, D].
    static Tensor by_output(const Tensor& values, int64_t n) {
        return values.to(at::kDouble).reshape({n, -1});
    }
    double adjust(double score, int64_t n) const {
        if (o_.adjusted == 0 || o_.adjusted >= n - 1) return score;
        return 1 - (1 - score) * double(n - 1) / double(n - o_.adjusted - 1);
    }

    const Options o_;
};

/// The mean of a field that the model or the data set gives: `mapping: {value: the field}`. A
/// number without samples, [], counts as the mean of its batch.
class MeanMetric final : public CountingMetric {
  public:
    using Options = NoOptions;
    explicit MeanMetric(const Options&) {
        add_state("total", {}, at::kDouble);
        add_state("weight", {}, at::kLong);
    }

    std::vector<std::string> inputs() const override { return {"value"}; }

    void update_batch(const Batch& inputs) override {
        const at::NoGradGuard no_grad;
        const Tensor& value = inputs.tensor("value");
        const int64_t weight = value.dim() == 0 ? inputs.size : value.numel();
        add("total", value.dim() == 0 ? value.to(at::kDouble) * weight : stable_total(value));
        count("weight", weight);
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        return {{"", states.at("total").item<double>() /
                         double(states.at("weight").item<int64_t>())}};  // 0 / 0 is NaN
    }
};

}  // namespace

AILAB_REGISTER_METRIC(MeanAbsoluteError, "Mean of |output - target|")
AILAB_REGISTER_METRIC(MeanAbsolutePercentageError,
                      "Mean of |output - target| / |target|: 0.1 is 10 percent")
AILAB_REGISTER_METRIC(MeanSquaredError, "Mean of (output - target)^2, or its root")
AILAB_REGISTER_METRIC(RootMeanSquaredError, "Root of the mean of (output - target)^2")
AILAB_REGISTER_METRIC(R2Score, "Coefficient of determination, at most 1")
AILAB_REGISTER_METRIC(MeanMetric, "Mean of one field, named by mapping: {value: field}")

}  // namespace ailab
