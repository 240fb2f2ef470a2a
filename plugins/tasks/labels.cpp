#include <cmath>

#include "top_classes.hpp"

namespace ailab::tasks {
namespace {

/// The logarithm of the mean over dimension 0 of what these are the logarithms of.
Tensor log_mean(const Tensor& logarithms) {
    return logarithms.logsumexp(0) - std::log(double(logarithms.size(0)));
}

class MultiLabel final : public Task {
  public:
    static constexpr Role role = roles::labels;

    struct Options {
        std::optional<bool> probabilities;
        void visit(OptionVisitor& v) {
            v.option("probabilities", probabilities,
                     "the outputs are probabilities already, after a sigmoid; by default as the "
                     "loss takes them");
        }
    };

    explicit MultiLabel(const Options& options) : o(options) {}

    bool classifies() const override { return true; }

    std::vector<ClassScore> top_classes(const Tensor& output, int64_t most) const override {
        if (output.dim() > 1) return {};
        const Tensor yes = probabilities_of(output.to(at::kDouble).reshape({-1}));
        // One yes or no decides between two classes, unless it is a label with a name of its own.
        const std::vector<std::string>& names = context().class_names;
        const bool two_classes = yes.size(0) == 1 && names.size() != 1;
        return most_likely(two_classes ? at::cat({1 - yes, yes}) : yes, most, names);
    }

    Predictions predict(const Batch& outputs, const PredictionForm& form) const override {
        const Tensor* output = outputs.find_tensor(context().output);
        if (output && !target_of(outputs))
            if (auto said = by_top_classes(*this, *output, form)) return *said;
        return Task::predict(outputs, form);
    }

    /// Beside target and output also what is said of each label, and how probable a yes is.
    Predictions evaluate(const Batch& batch, const PredictionForm& form) const override {
        Predictions said = Task::evaluate(batch, form);
        const Tensor* output = batch.find_tensor(context().output);
        if (!said.shortened.empty() || said.samples.empty() || !output ||
            !output->is_floating_point())
            return said;
        const Tensor yes =
            probabilities_of(is_probability() ? output->detach() : output->detach().to(at::kDouble))
                .to(at::kCPU);
        const Tensor says = yes.gt(0.5);
        for (size_t i = 0; i < said.samples.size(); ++i) {
            PredictionFields& fields = said.samples[i];
            if (fields.back().first != "output") continue;
            fields.insert(fields.end() - 1,
                          {{"prediction", says[int64_t(i)]}, {"probability", yes[int64_t(i)]}});
        }
        return said;
    }

    std::optional<std::string> column(const std::string& field,
                                      std::optional<int64_t> i) const override {
        return field == "prediction" ? std::nullopt : Task::column(field, i);
    }

    /// Of scores the logit of the mean of the views' sigmoids.
    Tensor mean(const Tensor& outputs) const override {
        if (is_probability() || outputs.dim() > 3) return Task::mean(outputs);
        return log_mean(at::log_sigmoid(outputs)) - log_mean(at::log_sigmoid(-outputs));
    }

  private:
    bool is_probability() const {
        return o.probabilities.value_or(context().output_kind == OutputKind::label_probabilities);
    }
    Tensor probabilities_of(const Tensor& output) const {
        return is_probability() ? output : output.sigmoid();
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_TASK(MultiLabel,
                    "Labels that are each yes or no: the sigmoid of an output is the probability "
                    "of yes")

}  // namespace ailab::tasks
