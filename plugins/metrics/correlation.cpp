// How far outputs and targets go up and down together. Of [N] or [N, D].
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "class_counts.hpp"
#include "moments.hpp"

namespace ailab {
namespace {

class Correlation : public CountingMetric {
  public:
    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) final {
        const at::NoGradGuard no_grad;
        check_same_shape(who_, output, target);
        if (output.dim() > 2)
            throw Error(concat(who_, ": expected output and target [N] or [N, outputs]; got ",
                               describe(output, target)));
        const int64_t n = output.size(0);
        const Tensor kept = rows_of(output.to(at::kDouble).reshape({n, -1}),
                                    target.to(at::kDouble).reshape({n, -1}));
        if (!rows().contains("rows")) add_rows("rows", kept.sizes().slice(1), at::kDouble);
        append("rows", kept);
    }

    std::map<std::string, double> compute(const std::map<std::string, Tensor>& states) const final {
        const auto rows = states.find("rows");
        if (rows == states.end() || rows->second.size(0) == 0) return {{"", unknown}};
        return by_class(of_rows(rows->second.contiguous()));
    }

  protected:
    explicit Correlation(std::string who) : who_(std::move(who)) {}

    /// What is kept of x and y, float64 [N, D] of one batch: [rows, …].
    virtual Tensor rows_of(const Tensor& x, const Tensor& y) const = 0;
    /// The correlation of each of the D outputs. `rows` come in any order.
    virtual std::vector<double> of_rows(const Tensor& rows) const = 0;

  private:
    const std::string who_;
};

/// Those of x and y, and the sum of products around their means, of one output.
struct Moments {
    Spread x, y;
    double products = 0;

    void add(const Moments& other) {
        if (x.n == 0) {
            *this = other;
            return;
        }
        products += other.products + x.distance(other.x) * y.distance(other.y) * x.weight(other.x);
        x.add(other.x);
        y.add(other.y);
    }
    /// NaN where x or y is constant.
    double correlation() const {
        if (x.squares == 0 || y.squares == 0) return unknown;
        return std::clamp(products / (std::sqrt(x.squares) * std::sqrt(y.squares)), -1.0, 1.0);
    }
};

/// A row a batch holds its moments, so the memory does not grow with the samples.
class PearsonCorrCoef final : public Correlation {
  public:
    using Options = NoOptions;
    explicit PearsonCorrCoef(const Options&) : Correlation("PearsonCorrCoef") {}

  protected:
    /// [1, D, 8].
    Tensor rows_of(const Tensor& x, const Tensor& y) const override {
        const auto [mean_x, rest_x] = centred(x);
        const auto [mean_y, rest_y] = centred(y);
        const Tensor n = at::full_like(mean_x, double(x.size(0)));
        return at::stack({n, x[0], mean_x, y[0], mean_y, stable_sum(rest_x.square()),
                          stable_sum(rest_y.square()), stable_sum(rest_x * rest_y)},
                         1)
            .unsqueeze(0);
    }

    std::vector<double> of_rows(const Tensor& rows) const override {
        const std::vector<int64_t> order = fixed_order(rows);
        const auto value = rows.accessor<double, 3>();
        std::vector<double> results;
        for (int64_t d = 0; d < rows.size(1); ++d) {
            Moments all;
            for (const int64_t i : order) {
                const auto m = value[i][d];
                all.add({{m[0], m[1], m[2], m[5]}, {m[0], m[3], m[4], m[6]}, m[7]});
            }
            results.push_back(all.correlation());
        }
        return results;
    }
};

/// Pearson's of the ranks, equal values having the mean of theirs. Keeps all samples.
class SpearmanCorrCoef final : public Correlation {
  public:
    using Options = NoOptions;
    explicit SpearmanCorrCoef(const Options&) : Correlation("SpearmanCorrCoef") {}

  protected:
    /// [N, 2, D].
    Tensor rows_of(const Tensor& x, const Tensor& y) const override { return at::stack({x, y}, 1); }

    std::vector<double> of_rows(const Tensor& rows) const override {
        std::vector<double> results;
        for (int64_t d = 0; d < rows.size(2); ++d)
            results.push_back(correlation(rows.select(2, d).select(1, 0).contiguous(),
                                          rows.select(2, d).select(1, 1).contiguous()));
        return results;
    }

  private:
    /// Twice the distance of each value's rank from the mean rank: a whole number.
    static std::vector<int64_t> doubled_ranks(const Tensor& values) {
        const auto* value = values.const_data_ptr<double>();
        const int64_t n = values.numel();
        std::vector<int64_t> order(static_cast<size_t>(n)), ranks(static_cast<size_t>(n));
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(),
                  [&](int64_t a, int64_t b) { return value[a] < value[b]; });
        for (int64_t begin = 0, end = 0; begin < n; begin = end) {
            while (end < n && value[order[size_t(end)]] == value[order[size_t(begin)]]) ++end;
            for (int64_t i = begin; i < end; ++i) ranks[size_t(order[size_t(i)])] = begin + end - n;
        }
        return ranks;
    }
    /// Exact, so the order of the samples does not matter.
    static double product(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
        __extension__ typedef __int128 Wide;
        Wide sum = 0;
        for (size_t i = 0; i < a.size(); ++i) sum += Wide(a[i]) * b[i];
        return double(sum) / (4 * double(a.size()));
    }
    static double correlation(const Tensor& x, const Tensor& y) {
        if (x.isnan().any().item<bool>() || y.isnan().any().item<bool>()) return unknown;
        constexpr double epsilon = 1e-6;  // torchmetrics': 0 where x or y is constant
        const std::vector<int64_t> of_x = doubled_ranks(x), of_y = doubled_ranks(y);
        const double deviations = std::sqrt(product(of_x, of_x)) * std::sqrt(product(of_y, of_y));
        return std::clamp(product(of_x, of_y) / (deviations + epsilon), -1.0, 1.0);
    }
};

}  // namespace

AILAB_REGISTER_METRIC(PearsonCorrCoef, "Linear correlation of outputs and targets, -1 to 1")
AILAB_REGISTER_METRIC(SpearmanCorrCoef, "Correlation of the ranks of outputs and targets, -1 to 1")

}  // namespace ailab
