#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/ailab.hpp"
#include "ailab/support/number_text.hpp"

namespace ailab::tasks {
namespace {

std::string short_number(double value) {
    return general_text(value, 6);
}

/// The numbers of one sample, the first of many.
std::string short_numbers(const Tensor& row) {
    constexpr int64_t most = 8;
    std::vector<std::string> texts;
    for (int64_t i = 0; i < std::min(most, row.size(0)); ++i)
        texts.push_back(short_number(row[i].item<double>()));
    if (row.size(0) > most) texts.emplace_back("…");
    return join(texts, ", ");
}

class Regression final : public Task {
  public:
    static constexpr Role role = roles::regression;

    std::unique_ptr<Findings> findings(int64_t worst) const override;

    /// The sample's number, or numbers.
    std::string caption(const Sample& sample) const override {
        for (const std::string& name : {context().target, std::string("label")})
            if (const auto field = sample.fields.find(name); field != sample.fields.end())
                if (const auto* tensor = std::get_if<Tensor>(&field->second))
                    return short_numbers(tensor->to(at::kDouble).reshape({-1}));
        return "";
    }

  private:
    friend class ErrorFindings;

    /// Outputs and targets of an evaluated batch, float64 [N, K] on the CPU; not defined where
    /// these are not as many.
    std::pair<Tensor, Tensor> compared(const Batch& batch) const {
        const BatchField* wanted = target_of(batch);
        const Tensor* output = batch.find_tensor(context().output);
        const auto* target = wanted ? std::get_if<Tensor>(wanted) : nullptr;
        const auto samples = int64_t(batch.ids.size());
        if (!output || !target || output->dim() == 0 || output->size(0) != samples ||
            output->numel() != target->numel() || output->numel() == 0 || output->is_complex() ||
            target->is_complex())
            return {};
        const auto rows = [&](const Tensor& tensor) {
            return tensor.detach().to(at::kCPU, at::kDouble).reshape({samples, -1});
        };
        return {rows(*output), rows(*target)};
    }
};

/// Of each output, or of all together where these are many: how far they are from the targets.
class ErrorFindings final : public Findings {
  public:
    ErrorFindings(const Regression& task, int64_t worst) : task_(task), worst_(worst) {}

    void add(const Batch& batch) override {
        const std::pair<Tensor, Tensor> both = task_.compared(batch);
        const Tensor &output = both.first, &target = both.second;
        if (!output.defined()) return;
        const Tensor error = output - target, size = error.abs();
        const Tensor sums =
            at::stack({at::ones_like(error).sum(0), error.sum(0), size.sum(0),
                       error.square().sum(0), target.sum(0), target.square().sum(0)});
        sums_ = added(sums_, sums.size(1) > most_listed ? sums.sum(1, true) : sums);
        const Tensor mean = size.mean(1);
        for (int64_t i = 0; i < mean.size(0); ++i)
            worst_.add(batch.ids[size_t(i)], mean.const_data_ptr<double>()[i], [&] {
                const std::string wanted = short_numbers(target[i]), got = short_numbers(output[i]);
                return WorstSamples::Words{concat(wanted, ", predicted ", got),
                                           {wanted, got, short_number(mean[i].item<double>())}};
            });
    }

    void gather(Comm& comm, const Dataset& dataset) override {
        // A rank may have had no samples; those of sequences may have others than the rest.
        const int64_t mine = sums_.defined() ? sums_.size(1) : 0;
        Tensor most = at::full({1}, mine, at::kLong), least = at::full({1}, -mine, at::kLong);
        if (mine == 0) least.fill_(std::numeric_limits<int64_t>::min());
        comm.all_reduce_max(most);
        comm.all_reduce_max(least);
        const int64_t all = most.item<int64_t>();
        const int64_t common = all == -least.item<int64_t>() ? all : 1;
        if (all > 0) {
            if (mine == 0) sums_ = at::zeros({6, common}, at::kDouble);
            if (mine > common) sums_ = sums_.sum(1, true);
            sums_ = sums_.contiguous();
            comm.all_reduce_sum(sums_);
        }
        worst_.gather(comm, dataset, task_);
    }

    void show(Page& page, const std::string& phase) const override {
        if (!sums_.defined()) return;
        page.heading(concat("Errors, ", phase));
        std::vector<std::vector<std::string>> rows;
        for (int64_t i = 0; i < sums_.size(1); ++i) {
            const auto sum = [&](int64_t row) { return sums_[row][i].item<double>(); };
            const double n = sum(0), squares = sum(5) - sum(4) * sum(4) / n;
            rows.push_back({sums_.size(1) > 1 ? std::to_string(i) : "all", short_number(n),
                            short_number(sum(1) / n), short_number(sum(2) / n),
                            short_number(std::sqrt(sum(3) / n)),
                            squares > 0 ? short_number(1 - sum(3) / squares) : ""});
        }
        page.table({"output", "values", "mean error", "mean absolute error",
                    "root mean square error", "R2"},
                   rows);
        worst_.show(page, concat("Worst samples, ", phase), {"target", "predicted", "error"});
    }

  private:
    static constexpr int64_t most_listed = 16;  // outputs, each by itself

    static Tensor added(const Tensor& before, const Tensor& sums) {
        if (!before.defined()) return sums;
        if (before.size(1) == sums.size(1)) return before + sums;
        return before.sum(1, true) + sums.sum(1, true);
    }

    const Regression& task_;
    Tensor sums_;  // [6, outputs]: values, errors, their sizes and squares, targets, their squares
    WorstSamples worst_;
};

std::unique_ptr<Findings> Regression::findings(int64_t worst) const {
    return std::make_unique<ErrorFindings>(*this, worst);
}

}  // namespace

AILAB_REGISTER_TASK(Regression, "Numbers, as they are: one or several of each sample")

}  // namespace ailab::tasks
