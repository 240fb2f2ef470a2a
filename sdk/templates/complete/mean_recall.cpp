// A metric: recall of each class, and their mean, which rare classes cannot hide in.
#include <ailab/ailab.hpp>
#include <cmath>

using ailab::Tensor;

class MeanRecall : public ailab::Metric {
  public:
    struct Options {
        int64_t num_classes = 0;
        bool per_class = false;
        void visit(ailab::OptionVisitor& v) {
            v.required("num_classes", num_classes, "number of classes", ailab::at_least(2));
            v.option("per_class", per_class, "report each class too, as <name>_0, <name>_1, ...");
        }
    };

    explicit MeanRecall(const Options& options) : options_(options) {
        add_state("right", {options.num_classes}, torch::kInt64);
        add_state("all", {options.num_classes}, torch::kInt64);
    }

    // What follows the result (save_best, EarlyStopHook, …) need not guess it from a name.
    std::optional<bool> greater_is_better() const override { return true; }

    // Only adds to sums: the core adds up the ranks, so the value is that of one process.
    void update(const Tensor& output, const Tensor& target) override {
        const Tensor hit = target.masked_select(output.argmax(1) == target);
        state("right") += torch::bincount(hit, {}, options_.num_classes);
        state("all") += torch::bincount(target, {}, options_.num_classes);
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const Tensor all = states.at("all").to(torch::kFloat64);
        const Tensor recall = 100 * states.at("right").to(torch::kFloat64) / all;
        // A class without samples has no recall; without any sample the mean is NaN.
        std::map<std::string, double> results{
            {"", recall.masked_select(all > 0).mean().item<double>()}};
        if (options_.per_class)
            for (int64_t i = 0; i < options_.num_classes; ++i)
                results[std::to_string(i)] = recall[i].item<double>();
        return results;
    }

  private:
    Options options_;
};

AILAB_REGISTER_METRIC(MeanRecall, "Recall of each class in percent, averaged over the classes")
