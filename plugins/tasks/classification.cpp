#include <optional>

#include "confusion.hpp"
#include "top_classes.hpp"

namespace ailab::tasks {
namespace {

/// What a classifier said of a sample.
struct Verdict {
    int64_t id = 0;
    int64_t label = 0;
    int64_t predicted = 0;
    double probability = 0;        // of `predicted`
    double label_probability = 0;  // 0 for a label that the model has no score of
};

struct Verdicts {
    std::vector<Verdict> samples;
    Tensor probabilities;  // [N, classes] float32 on the CPU
};

const Tensor* tensor_in(const BatchField* field) {
    return field ? std::get_if<Tensor>(field) : nullptr;
}

/// Of the samples of an evaluated batch; nothing unless these are scores [N, classes] and numbers
/// of classes [N].
std::optional<Verdicts> judge(const std::vector<int64_t>& ids, const Tensor* output,
                              const Tensor* target) {
    if (!output || !target || output->dim() != 2 || output->size(1) < 2 || target->dim() != 1 ||
        target->size(0) != output->size(0) || !output->is_floating_point() ||
        !c10::isIntegralType(target->scalar_type(), /*includeBool=*/false))
        return std::nullopt;
    Verdicts verdicts;
    verdicts.probabilities = output->detach().to(at::kCPU, at::kFloat).softmax(1).contiguous();
    const auto [best, predicted] = verdicts.probabilities.max(1);
    const Tensor labels = target->to(at::kCPU, at::kLong).contiguous();
    const int64_t classes = output->size(1);
    const auto* label = labels.const_data_ptr<int64_t>();
    const auto* choice = predicted.const_data_ptr<int64_t>();
    const auto* probability = best.const_data_ptr<float>();
    const auto* shares = verdicts.probabilities.const_data_ptr<float>();
    verdicts.samples.resize(size_t(labels.size(0)));
    for (int64_t i = 0; i < labels.size(0); ++i) {
        const bool is_class = label[i] >= 0 && label[i] < classes;
        verdicts.samples[size_t(i)] = {ids.at(size_t(i)), label[i], choice[i], probability[i],
                                       is_class ? shares[i * classes + label[i]] : 0.0};
    }
    return verdicts;
}

class Classification final : public Task {
  public:
    static constexpr Role role = roles::classification;

    bool classifies() const override { return true; }

    std::vector<ClassScore> top_classes(const Tensor& output, int64_t most) const override {
        // The softmax of one number is 1, whatever it is.
        if (output.dim() > 1 || output.numel() < 2) return {};
        return most_likely(output.to(at::kDouble).reshape({-1}).softmax(0), most,
                           context().class_names);
    }

    Predictions predict(const Batch& outputs, const PredictionForm& form) const override {
        const Tensor* output = outputs.find_tensor(context().output);
        // What was evaluated, and is no class a sample, stands beside its targets as it is.
        if (!output || target_of(outputs)) return Task::predict(outputs, form);
        if (auto said = by_top_classes(*this, *output, form)) return *said;
        if (has_many(*output, form))
            return shortened(*output, has_classes_last() ? output->dim() - 1 : 1);
        return Task::predict(outputs, form);
    }

    /// label, class, prediction, predicted_class and probability; all scores if they are wanted.
    Predictions evaluate(const Batch& batch, const PredictionForm& form) const override {
        const auto verdicts = judged(batch);
        if (!verdicts) return Task::evaluate(batch, form);
        Predictions said;
        said.samples.reserve(verdicts->samples.size());
        for (size_t i = 0; i < verdicts->samples.size(); ++i) {
            const Verdict& one = verdicts->samples[i];
            said.samples.push_back({{"label", one.label},
                                    {"class", class_name(one.label)},
                                    {"prediction", one.predicted},
                                    {"predicted_class", class_name(one.predicted)},
                                    {"probability", one.probability}});
            if (form.all_values)
                said.samples.back().emplace_back("scores", verdicts->probabilities[int64_t(i)]);
        }
        return said;
    }

    std::optional<std::string> column(const std::string& field,
                                      std::optional<int64_t> i) const override {
        return field == "scores" && i ? class_name(*i) : Task::column(field, i);
    }

    /// The logarithm of the mean of the views' softmax.
    Tensor mean(const Tensor& outputs) const override {
        if (outputs.dim() != 3 || outputs.size(2) < 2)
            throw Error(
                concat("--tta takes the mean of class probabilities, [N, classes], and the "
                       "model gives ",
                       c10::str(outputs.sizes().slice(1))));
        return outputs.log_softmax(2).logsumexp(0) - std::log(double(outputs.size(0)));
    }

    std::unique_ptr<Findings> findings(int64_t worst) const override;

  private:
    friend class ClassFindings;

    std::optional<Verdicts> judged(const Batch& batch) const {
        return judge(batch.ids, batch.find_tensor(context().output), tensor_in(target_of(batch)));
    }
};

/// Table of classes, confusions, and the samples whose labels the model gave the least probability.
class ClassFindings final : public Findings {
  public:
    ClassFindings(const Classification& task, int64_t worst)
        : task_(task), names_(task.context().class_names), worst_(worst) {}

    void add(const Batch& batch) override {
        const auto verdicts = task_.judged(batch);
        if (!verdicts) return;
        const int64_t classes = verdicts->probabilities.size(1);
        for (const Verdict& one : verdicts->samples) {
            confusion_.add(classes, one.label, one.predicted);
            if (one.label >= 0 && one.predicted != one.label)
                worst_.add(one.id, -one.label_probability, [&] { return words(one); });
        }
    }

    void gather(Comm& comm, const Dataset& dataset) override {
        confusion_.reduce(comm);
        worst_.gather(comm, dataset, task_);
    }

    std::string text(const std::string& phase) const override {
        constexpr int64_t most_listed = 100;
        if (confusion_.empty() || confusion_.classes() > most_listed) return "";
        return per_class_text(confusion_, names_, phase);
    }

    void show(Page& page, const std::string& phase) const override {
        if (confusion_.empty()) return;
        show_confusion(page, confusion_, names_, phase);
        worst_.show(page, concat("Worst samples, ", phase),
                    {"label", "predicted", "probability", "of the label"});
    }

  private:
    WorstSamples::Words words(const Verdict& one) const {
        const std::string label = task_.class_name(one.label);
        const std::string predicted = task_.class_name(one.predicted);
        return {concat(label, ", taken for ", predicted, " (", percent(one.probability), ")"),
                {label, predicted, percent(one.probability), percent(one.label_probability)}};
    }

    const Classification& task_;
    const std::vector<std::string> names_;
    Confusion confusion_;
    WorstSamples worst_;
};

std::unique_ptr<Findings> Classification::findings(int64_t worst) const {
    return std::make_unique<ClassFindings>(*this, worst);
}

}  // namespace

AILAB_REGISTER_TASK(Classification,
                    "One class of several: the outputs' softmax is their probabilities")

}  // namespace ailab::tasks
