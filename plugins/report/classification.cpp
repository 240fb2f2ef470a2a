#include "classification.hpp"

#include "ailab/number_text.hpp"

namespace ailab::report {
namespace {

const Tensor* tensor_of(const Batch& batch, const char* name) {
    const auto field = batch.fields.find(name);
    return field == batch.fields.end() ? nullptr : std::get_if<Tensor>(&field->second);
}

std::string percent(double part, double whole) {
    return whole == 0 ? "" : fixed_text(100 * part / whole, 2);
}

}  // namespace

std::optional<Verdicts> judge(const Batch& batch) {
    const Tensor* output = tensor_of(batch, "output");
    const Tensor* target = tensor_of(batch, "target");
    if (!target) target = tensor_of(batch, "label");
    if (!output || !target || output->dim() != 2 || output->size(1) < 2 || target->dim() != 1 ||
        target->size(0) != output->size(0) || !output->is_floating_point() ||
        !c10::isIntegralType(target->scalar_type(), /*includeBool=*/false))
        return std::nullopt;
    Verdicts verdicts;
    verdicts.probabilities = output->detach().to(at::kCPU, at::kFloat).softmax(1).contiguous();
    const auto [best, predicted] = verdicts.probabilities.max(1);
    const Tensor labels = target->to(at::kCPU, at::kLong).contiguous();
    const int64_t classes = output->size(1);
    for (int64_t i = 0; i < labels.size(0); ++i) {
        Verdict verdict;
        verdict.id = batch.ids.at(size_t(i));
        verdict.label = labels.const_data_ptr<int64_t>()[i];
        verdict.predicted = predicted.const_data_ptr<int64_t>()[i];
        verdict.probability = best.const_data_ptr<float>()[i];
        if (verdict.label >= 0 && verdict.label < classes)
            verdict.label_probability =
                verdicts.probabilities.const_data_ptr<float>()[i * classes + verdict.label];
        verdicts.samples.push_back(verdict);
    }
    return verdicts;
}

std::string class_name(const std::vector<std::string>& names, int64_t index) {
    const bool known = index >= 0 && index < int64_t(names.size());
    return known ? names[size_t(index)] : std::to_string(index);
}

void Confusion::add(const Verdicts& verdicts) {
    const int64_t classes = verdicts.probabilities.size(1);
    if (empty()) counts_ = at::zeros({classes, classes}, at::kLong);
    auto* counts = counts_.mutable_data_ptr<int64_t>();
    for (const Verdict& verdict : verdicts.samples)
        if (verdict.label >= 0 && verdict.label < classes)  // others are ignored ones
            ++counts[verdict.label * classes + verdict.predicted];
}

void Confusion::reduce(Comm& comm) {
    // A rank may have had no samples.
    Tensor classes = at::full({1}, this->classes(), at::kLong);
    comm.all_reduce_max(classes);
    const int64_t all = classes.item<int64_t>();
    if (all == 0) return;
    if (empty()) counts_ = at::zeros({all, all}, at::kLong);
    comm.all_reduce_sum(counts_);
}

int64_t Confusion::count(int64_t label, int64_t predicted) const {
    return counts_.const_data_ptr<int64_t>()[label * classes() + predicted];
}

const std::vector<std::string>& Confusion::per_class_header() {
    static const std::vector<std::string> header = {"class", "samples", "precision", "recall",
                                                    "F1"};
    return header;
}

std::vector<std::vector<std::string>> Confusion::per_class(
    const std::vector<std::string>& names) const {
    std::vector<std::vector<std::string>> rows;
    for (int64_t i = 0; i < classes(); ++i) {
        int64_t samples = 0, predicted = 0;
        for (int64_t j = 0; j < classes(); ++j) {
            samples += count(i, j);
            predicted += count(j, i);
        }
        const auto right = double(count(i, i));
        rows.push_back({class_name(names, i), std::to_string(samples),
                        percent(right, double(predicted)), percent(right, double(samples)),
                        percent(2 * right, double(samples + predicted))});
    }
    return rows;
}

}  // namespace ailab::report
