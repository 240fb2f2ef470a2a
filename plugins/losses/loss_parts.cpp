#include "loss_parts.hpp"

#include "options/named_message.hpp"

#include <algorithm>

namespace ailab {

const char* const losses_doc =
    "the losses by name: {ce: {type: CrossEntropyLoss}, dice: {type: DiceLoss, mapping: {target: "
    "mask}}}";

std::string check_part_names(const LossSpecs& specs) {
    if (specs.empty()) return "losses must name at least one: losses: {ce: {type: …}}";
    for (const auto& [name, spec] : specs)
        if (name.empty() || name.find('.') != std::string::npos)
            return concat("losses: the name \"", name, "\" must be a word without dots");
    return "";
}

std::string check_weights(const std::map<std::string, double>& weights, const LossSpecs& specs) {
    std::vector<std::string> names;
    for (const auto& entry : specs) names.push_back(entry.first);
    for (const auto& entry : weights)
        if (!specs.contains(entry.first))
            return concat("weights: there is no loss \"", entry.first, "\"; losses has ",
                          join(names));
    if (!names.empty() &&
        std::ranges::all_of(names, [&](const auto& name) { return weight_of(name, weights) == 0; }))
        return "weights: all of the losses weigh 0, so nothing would be trained";
    return "";
}

double weight_of(const std::string& name, const std::map<std::string, double>& weights) {
    const auto found = weights.find(name);
    return found == weights.end() ? 1 : found->second;
}

LossPart::LossPart(const std::string& name, const ModuleSpec<Loss>& spec)
    : name_(name),
      label_(concat("loss \"", name, "\" (", spec.type(), ")")),
      loss_(spec.create()),
      inputs_(std::make_unique<InputBinding>(loss_->inputs(), spec.binding(), label_)) {
    Problems problems;
    check_binding({}, loss_->inputs(), spec.config, label_, problems);
    problems.check();
    fields_ = inputs_->fields();
    const std::vector<std::string> own = loss_->term_names();
    for (const std::string& term : own)
        term_names_.push_back(own.size() == 1 ? name : concat(name, ".", term));
}

std::vector<LossTerm> LossPart::terms(const Batch& fields) const {
    const InputBinding::Bound inputs = inputs_->bind(fields);
    std::vector<LossTerm> terms;
    try {
        terms = loss_->terms(*inputs);
    } catch (const Error& error) {
        throw Error(named_message(label_, error.what()));
    }
    if (terms.size() != term_names_.size())
        throw Error(
            concat(label_, " gave ", terms.size(), " terms and declares ", term_names_.size()));
    for (size_t i = 0; i < terms.size(); ++i) terms[i].name = term_names_[i];
    return terms;
}

std::vector<std::optional<Tensor>> LossPart::target_weights(const Batch& fields) const {
    std::vector<std::optional<Tensor>> weights(term_names_.size());
    if (loss_->has_own_weights()) {
        const InputBinding::Bound inputs = inputs_->bind(fields);
        weights = loss_->target_weights(*inputs);
    }
    return weights;
}

LossOfParts::LossOfParts(const LossSpecs& specs) {
    for (const auto& [name, spec] : specs) {
        parts_.emplace_back(name, spec);
        register_module(name, parts_.back().shared());
    }
}

std::optional<OutputKind> LossOfParts::output_kind() const {
    std::optional<OutputKind> agreed;
    for (const LossPart& part : parts_) {
        const std::vector<std::string>& fields = part.fields();
        if (std::find(fields.begin(), fields.end(), "output") == fields.end()) continue;
        const std::optional<OutputKind> kind = part.loss().output_kind();
        if (!kind || (agreed && *agreed != *kind)) return {};
        agreed = kind;
    }
    return agreed;
}

std::vector<std::string> LossOfParts::inputs() const {
    std::vector<std::string> fields;
    for (const LossPart& part : parts_)
        for (const std::string& field : part.fields())
            if (std::ranges::find(fields, field) == fields.end()) fields.push_back(field);
    return fields;
}

std::vector<std::string> LossOfParts::term_names() const {
    std::vector<std::string> names;
    for (const LossPart& part : parts_)
        names.insert(names.end(), part.term_names().begin(), part.term_names().end());
    return names;
}

bool LossOfParts::has_own_weights() const {
    return std::ranges::any_of(parts_,
                               [](const auto& part) { return part.loss().has_own_weights(); });
}

WeightSource LossOfParts::weight_source() const {
    const bool foretold = std::ranges::all_of(parts_, [](const LossPart& part) {
        return !part.loss().has_own_weights() ||
               part.loss().weight_source() == WeightSource::targets;
    });
    return foretold ? WeightSource::targets : WeightSource::predictions;
}

std::vector<std::optional<Tensor>> LossOfParts::target_weights(const Batch& inputs) {
    std::vector<std::optional<Tensor>> all;
    for (const LossPart& part : parts_)
        for (std::optional<Tensor>& weight : part.target_weights(inputs))
            all.push_back(std::move(weight));
    return all;
}

bool LossOfParts::follows_values() const {
    return std::ranges::any_of(parts_,
                               [](const auto& part) { return part.loss().follows_values(); });
}

void LossOfParts::observe(const std::vector<double>& values) {
    auto next = values.begin();
    for (const LossPart& part : parts_) {
        const auto end = next + std::ptrdiff_t(part.term_names().size());
        if (part.loss().follows_values()) part.loss().observe({next, end});
        next = end;
    }
}

State LossOfParts::save_state() const {
    State state;
    for (const LossPart& part : parts_) {
        State own = part.loss().save_state();
        state.values.set(part.name(), std::move(own.values));
        for (auto& [name, tensor] : own.tensors)
            state.tensors[concat(part.name(), ".", name)] = std::move(tensor);
    }
    return state;
}

void LossOfParts::load_state(const State& state) {
    for (const LossPart& part : parts_) {
        const Node* values = state.values.find(part.name());
        if (!values)
            throw Error(concat("the checkpoint has no state of the loss \"", part.name(),
                               "\"; its losses must be those of the configuration"));
        State own;
        own.values = *values;
        const std::string prefix = part.name() + ".";
        for (const auto& [name, tensor] : state.tensors)
            if (name.starts_with(prefix)) own.tensors[name.substr(prefix.size())] = tensor;
        part.loss().load_state(own);
    }
}

}  // namespace ailab
