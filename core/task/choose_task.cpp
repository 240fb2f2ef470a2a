#include "choose_task.hpp"

#include <algorithm>
#include <iterator>

#include "schema/role.hpp"
#include "step/forward_pass.hpp"

namespace ailab {
namespace {

/// What a loss may say of the outputs, and the built-in task for it.
struct KnownKind {
    OutputKind kind;
    const char* name;
    Role role;
};
constexpr KnownKind known_kinds[] = {
    {OutputKind::class_scores, "class_scores", roles::classification},
    {OutputKind::label_scores, "label_scores", roles::labels},
    {OutputKind::label_probabilities, "label_probabilities", roles::labels},
    {OutputKind::values, "values", roles::regression}};

const KnownKind& entry_of(OutputKind kind) {
    return *std::find_if(std::begin(known_kinds), std::end(known_kinds),
                         [&](const KnownKind& one) { return one.kind == kind; });
}

Node module_for(OutputKind kind) {
    return node_of_role(kind_name<Task>, entry_of(kind).role);
}

/// The field that an input of the loss is bound to.
std::string field_of(const Binding& binding, const std::string& input) {
    const auto renamed = binding.mapping.find(input);
    return renamed == binding.mapping.end() ? input : renamed->second;
}

/// What the model's first output stands for, as the loss tells; nothing where that is none that
/// can, or is fed with another output.
std::optional<OutputKind> told_by(const Loss* loss, const RunConfig& config,
                                  const std::vector<std::string>& outputs) {
    if (!loss) return {};
    if (outputs.size() > 1 && outputs[0] != field_of(config.loss.binding(), "output")) return {};
    return loss->output_kind();
}

}  // namespace

const char* name_of(OutputKind kind) {
    return entry_of(kind).name;
}

std::optional<OutputKind> kind_named(const std::string& name) {
    for (const KnownKind& one : known_kinds)
        if (name == one.name) return one.kind;
    return {};
}

std::vector<std::string> output_kind_names() {
    std::vector<std::string> names;
    for (const KnownKind& one : known_kinds) names.emplace_back(one.name);
    return names;
}

bool is_class_number(const Sample& sample) {
    for (const char* name : {"target", "label"}) {
        const auto field = sample.fields.find(name);
        if (field == sample.fields.end()) continue;
        const auto* tensor = std::get_if<Tensor>(&field->second);
        return tensor && tensor->numel() == 1 && tensor->dim() <= 1 &&
               c10::isIntegralType(tensor->scalar_type(), /*includeBool=*/false);
    }
    return false;
}

ChosenTask choose_task(const Node& given, TaskContext context) {
    ChosenTask chosen;
    const Node wanted =
        given.is_null() && context.output_kind ? module_for(*context.output_kind) : given;
    if (wanted.is_null()) {
        chosen.task = std::make_shared<Task>();
    } else {
        Problems problems;
        const ModuleConfig module = read_module(kind_name<Task>, wanted, "task", problems);
        problems.check();
        chosen.task = std::static_pointer_cast<Task>(module.create());
        chosen.module = module.write();
    }
    chosen.task->set_context(std::move(context));
    return chosen;
}

ChosenTask choose_task(const RunConfig& config, const Loss* loss, const Model& model,
                       const Node& trained, const std::function<bool()>& on_class_numbers,
                       std::vector<std::string> class_names) {
    const std::vector<std::string> outputs =
        output_keys(model, Phase::test, config.model.binding());
    TaskContext context;
    context.class_names = std::move(class_names);
    context.output_kind = told_by(loss, config, outputs);
    if (!context.output_kind && on_class_numbers()) context.output_kind = OutputKind::class_scores;
    if (!outputs.empty()) context.output = outputs[0];
    context.target = field_of(config.loss.binding(), "target");
    context.config = config.resolved;
    return choose_task(config.task ? config.task.config.write() : trained, std::move(context));
}

}  // namespace ailab
