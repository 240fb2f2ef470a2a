#include "ailab/task.hpp"

#include <ATen/ATen.h>

#include "ailab/support/number_text.hpp"

namespace ailab {

Task::~Task() = default;
Findings::~Findings() = default;

namespace {

bool is_class_numbers(const Tensor& target) {
    return c10::isIntegralType(target.scalar_type(), /*includeBool=*/false);
}

int64_t values_a_sample(const Tensor& tensor) {
    return tensor.dim() == 0 || tensor.size(0) == 0 ? 0 : tensor.numel() / tensor.size(0);
}

Node sizes_node(at::IntArrayRef sizes) {
    Node list = Node::list();
    for (const int64_t size : sizes) list.items().push_back(Node(Node::Value(size)));
    return list;
}

std::string describe_field(const BatchField& field) {
    const auto* tensor = std::get_if<Tensor>(&field);
    return tensor ? c10::str(tensor->sizes()) : std::string("a list");
}

/// What a field has of each of `samples` samples; nothing where it is not by sample.
std::optional<std::vector<PredictionValue>> by_sample(const BatchField& field, size_t samples) {
    std::vector<PredictionValue> values;
    if (const auto* tensor = std::get_if<Tensor>(&field)) {
        if (tensor->dim() == 0 || tensor->size(0) != int64_t(samples)) return std::nullopt;
        const Tensor on_host = tensor->detach().to(at::kCPU);
        for (int64_t i = 0; i < on_host.size(0); ++i) values.emplace_back(on_host[i]);
    } else if (const auto* list = std::get_if<std::vector<Tensor>>(&field)) {
        for (const Tensor& one : *list) values.emplace_back(one);
    } else {
        for (const std::string& text : std::get<std::vector<std::string>>(field))
            values.emplace_back(text);
    }
    if (values.size() != samples) return std::nullopt;
    return values;
}

/// The dimension of an output [N, …] that is the classes': the one that the targets [N, …] have
/// not; 1 or the last one, if both may be it by `last`. Nothing where the targets are no numbers of
/// classes.
std::optional<int64_t> class_dimension(const Tensor& output, const BatchField* field, bool last) {
    const auto* target = field ? std::get_if<Tensor>(field) : nullptr;
    if (!target || !is_class_numbers(*target) || target->dim() + 1 != output.dim())
        return std::nullopt;
    for (const int64_t dim :
         {last ? output.dim() - 1 : int64_t(1), last ? int64_t(1) : output.dim() - 1}) {
        std::vector<int64_t> others = output.sizes().vec();
        others.erase(others.begin() + dim);
        if (target->sizes() == at::IntArrayRef(others)) return dim;
    }
    return std::nullopt;
}

std::string with_number(const std::string& field, int64_t i) {
    return concat(field, "_", i);
}

}  // namespace

const BatchField* Task::target_of(const Batch& batch) const {
    for (const std::string& name : {context_.target, std::string("label")})
        if (const auto field = batch.fields.find(name); field != batch.fields.end())
            return &field->second;
    return nullptr;
}

std::string Task::class_name(int64_t index) const {
    const bool known = index >= 0 && index < int64_t(context_.class_names.size());
    return known ? context_.class_names[size_t(index)] : std::to_string(index);
}

bool Task::has_classes_last() const {
    const Node* loss = context_.config.find("loss");
    const Node* last = loss ? loss->find("classes_last") : nullptr;
    return last && last->is_bool() && last->as_bool();
}

bool Task::has_many(const Tensor& output, const PredictionForm& form) {
    return !form.all_values && values_a_sample(output) > most_values;
}

Predictions Task::shortened(const Tensor& output, std::optional<int64_t> class_dim) {
    Predictions said;
    said.shortened = class_dim ? "the predicted classes" : "their shape";
    if (!class_dim) {
        const PredictionFields shape = {{"output_shape", sizes_node(output.sizes().slice(1))}};
        said.samples.assign(size_t(output.size(0)), shape);
        return said;
    }
    auto [scores, classes] = output.detach().to(at::kFloat).softmax(*class_dim).max(*class_dim);
    const bool few = values_a_sample(scores) <= most_values;
    classes = classes.to(at::kCPU);
    if (few) scores = scores.to(at::kCPU);
    for (int64_t i = 0; i < output.size(0); ++i) {
        said.samples.push_back({{"prediction", classes[i]}});
        if (few) said.samples.back().emplace_back("probability", scores[i]);
    }
    return said;
}

Predictions Task::predict(const Batch& outputs, const PredictionForm& form) const {
    Predictions said;
    const auto field = outputs.fields.find(context_.output);
    if (field == outputs.fields.end()) return said;
    const size_t samples = outputs.ids.empty() ? size_t(outputs.size) : outputs.ids.size();
    const auto* tensor = std::get_if<Tensor>(&field->second);
    if (tensor && has_many(*tensor, form) && tensor->size(0) == int64_t(samples))
        return shortened(*tensor, std::nullopt);
    auto values = by_sample(field->second, samples);
    if (!values) {
        said.none = concat("no predictions: the model's output is ", describe_field(field->second),
                           " for ", samples, " samples, not one entry a sample");
        return said;
    }
    for (PredictionValue& value : *values) said.samples.push_back({{"output", std::move(value)}});
    return said;
}

Predictions Task::evaluate(const Batch& batch, const PredictionForm& form) const {
    const BatchField* target = target_of(batch);
    const Tensor* output = batch.find_tensor(context_.output);
    if (output && has_many(*output, form) && output->size(0) == int64_t(batch.ids.size()))
        return shortened(*output, class_dimension(*output, target, has_classes_last()));
    Predictions said = predict(batch, form);
    const auto* numbers = target ? std::get_if<Tensor>(target) : nullptr;
    if (said.samples.empty() || !target || (numbers && has_many(*numbers, form))) return said;
    auto values = by_sample(*target, batch.ids.size());
    for (size_t i = 0; values && i < said.samples.size(); ++i)
        said.samples[i].insert(said.samples[i].begin(), {"target", std::move((*values)[i])});
    return said;
}

std::optional<std::string> Task::column(const std::string& field, std::optional<int64_t> i) const {
    if (field == "target" || (field == "probability" && i)) return std::nullopt;
    if (field == "output" || field == "output_shape") return with_number("output", i.value_or(0));
    return i ? with_number(field, *i) : field;
}

std::vector<ClassScore> Task::top_classes(const Tensor&, int64_t) const {
    return {};
}

Tensor Task::mean(const Tensor& outputs) const {
    // Where a mirrored image has a mirrored output (masks, maps), no mean of these is meant.
    if (outputs.dim() > 3)
        throw Error(concat("--tta takes the mean of outputs [N, numbers], and the model gives ",
                           c10::str(outputs.sizes().slice(1))));
    return outputs.mean(0);
}

std::unique_ptr<Findings> Task::findings(int64_t) const {
    return nullptr;
}

namespace {

const Tensor* label_of(const Sample& sample) {
    for (const char* name : {"label", "target"})
        if (const auto field = sample.fields.find(name); field != sample.fields.end())
            if (const auto* tensor = std::get_if<Tensor>(&field->second)) return tensor;
    return nullptr;
}

}  // namespace

std::string Task::caption(const Sample& sample) const {
    const Tensor* label = label_of(sample);
    if (!label) return "";
    const auto numbered = [&](int64_t index) {
        const std::string name = class_name(index), number = std::to_string(index);
        return name == number ? number : concat(number, " ", name);
    };
    if (label->numel() == 1 && !label->is_floating_point()) return numbered(label->item<int64_t>());
    if (label->dim() != 1 || !label->is_floating_point()) return "";
    // A vector of shares, as Mixup makes them.
    constexpr double least_share = 0.005;
    std::vector<std::string> parts;
    for (int64_t i = 0; i < label->numel(); ++i)
        if (const double share = (*label)[i].item<double>(); share > least_share)
            parts.push_back(concat(fixed_text(share, 2), " ", numbered(i)));
    return join(parts);
}

Tensor Task::draw(const Tensor&, const Sample&) const {
    return {};
}

}  // namespace ailab
