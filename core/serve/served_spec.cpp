#include "served_spec.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

#include "ailab/hook.hpp"
#include "ailab/log.hpp"
#include "checkpoint/class_names.hpp"
#include "config/options_reader.hpp"
#include "plugin/plugin_host.hpp"
#include "run/class_agreement.hpp"
#include "run/modules.hpp"

namespace ailab {
namespace {

/// What the configuration's hooks make of the forward pass.
StepPlan plan_of(const RunConfig& config) {
    StepPlan plan;
    for (const auto& hook : make_hooks(config).hooks) hook->plan_step(plan);
    return plan;
}

/// The sample's field that the model's first input is bound to.
std::string input_field(const Sample& sample, const Model& model, const Binding& binding) {
    const std::vector<std::string> inputs = model.inputs_in(Phase::test);
    const std::string first = inputs.empty() ? "input" : inputs[0];
    const auto& mapping = binding.mapping;
    const auto renamed = mapping.find(first);
    const std::string field = renamed == mapping.end() ? first : renamed->second;
    if (!sample.has(field) && sample.has("image")) return "image";
    return field;
}

std::vector<ServedPlugin> loaded_plugins() {
    std::vector<ServedPlugin> plugins;
    for (const LoadedPlugin& plugin : PluginHost::instance().loaded())
        plugins.push_back({plugin.name, plugin.version, plugin.build_id,
                           std::filesystem::path(plugin.path).filename().string(), plugin.builtin});
    return plugins;
}

// ---- as a Node

constexpr std::pair<const char*, at::ScalarType> input_types[] = {
    {"float32", at::kFloat}, {"float64", at::kDouble}, {"uint8", at::kByte}, {"int8", at::kChar},
    {"int16", at::kShort},   {"int32", at::kInt},      {"int64", at::kLong}, {"bool", at::kBool}};

std::string name_of(at::ScalarType type) {
    for (const auto& [name, known] : input_types)
        if (known == type) return name;
    throw Error(concat("a model cannot be served whose inputs are ", c10::toString(type)));
}

at::ScalarType type_named(const std::string& wanted, const std::string& source) {
    std::vector<std::string> names;
    for (const auto& [name, type] : input_types) {
        if (name == wanted) return type;
        names.emplace_back(name);
    }
    throw Error(concat(source, ": \"input_dtype\" is \"", wanted, "\", and must be one of \"",
                       join(names, "\", \""), "\""));
}

Node image_node(ImageInput image) {
    Node node = Node::map();
    node.set("field", Node::string(image.field));
    node.set("reader", write_options([&](OptionVisitor& v) { image.reader.visit(v); }));
    node.set("transforms", image.transforms);
    return node;
}

Node plugin_node(const ServedPlugin& plugin) {
    Node node = Node::map();
    node.set("name", Node::string(plugin.name));
    node.set("version", Node::string(plugin.version));
    node.set("build_id", Node::string(plugin.build_id));
    node.set("file", Node::string(plugin.file));
    node.set("builtin", Node(Node::Value(plugin.builtin)));
    if (!plugin.sha256.empty()) node.set("sha256", Node::string(plugin.sha256));
    return node;
}

const Node& member(const Node& node, const char* key, const std::string& source) {
    if (const Node* found = node.find(key)) return *found;
    throw Error(concat(source, ": \"", key, "\" is missing"));
}

/// A text that is one of a few; a word that no version has written stands for nothing.
const std::string& one_of_these(const Node& node, const char* key,
                                const std::vector<std::string>& known, const std::string& source) {
    const std::string& text = member(node, key, source).as_string();
    if (std::find(known.begin(), known.end(), text) != known.end()) return text;
    throw Error(concat(source, ": \"", key, "\" is \"", text, "\", and must be one of \"",
                       join(known, "\", \""), "\""));
}

std::optional<OutputKind> output_from(const Node& node, const std::string& source) {
    if (!node.find("output")) {  // of earlier artifacts, which knew scores of classes only
        if (!member(node, "classifies", source).as_bool()) return {};
        return OutputKind::class_scores;
    }
    std::vector<std::string> names = output_kind_names();
    names.insert(names.begin(), "");
    return kind_named(one_of_these(node, "output", names, source));
}

ImageInput image_from(const Node& node, const std::string& source) {
    ImageInput image;
    image.field = member(node, "field", source).as_string();
    Problems problems;
    read_options([&](OptionVisitor& v) { image.reader.visit(v); }, member(node, "reader", source),
                 {"the image reader", "reader", "option", {}, {}}, problems);
    problems.check();
    image.transforms = member(node, "transforms", source);
    return image;
}

}  // namespace

ServedSpec spec_of(const RunConfig& config, const Model& model, const ValidationData& data,
                   const std::string& checkpoint) {
    ServedSpec spec;
    spec.model = config.model.config.write();
    spec.dtype = config.runtime.dtype;
    spec.channels_last = config.runtime.channels_last;
    if (const StepPlan plan = plan_of(config); plan.autocast) spec.autocast = plan.autocast->dtype;
    const ClassFacts trained = trained_classes(checkpoint);
    spec.classes = trained.names;
    if (trained.are_numbers) {
        spec.numbered_classes = trained.count;
        if (!data.dataset().class_names().empty())
            log_info(
                "the classes of the training data were numbers, so the names of the present "
                "data are not taken for theirs");
    } else if (spec.classes.empty()) {
        spec.classes = data.dataset().class_names();
        const std::string name = config.data.val ? "data.val" : "data.test";
        if (const std::string doubt = unknown_numbering(name, spec.classes, config); !doubt.empty())
            log_warning(doubt);
    }
    spec.image = data.image_input();
    const std::shared_ptr<Loss> loss = config.loss ? config.loss.create() : nullptr;
    std::optional<Sample> first;
    if (data.dataset().size() > 0) first = data.sample(0);
    const ChosenTask task = choose_task(
        config, loss.get(), model, trained_task(checkpoint),
        [&] { return first && is_class_number(*first); }, spec.classes);
    spec.task = task.module;
    spec.output = task.task->context().output_kind;
    if (first) {
        const Sample& sample = *first;
        spec.input = input_field(sample, model, config.model.binding());
        if (sample.has(spec.input)) {
            const Tensor& input = sample.tensor(spec.input);
            spec.input_shape = input.sizes().vec();
            if (!input.is_floating_point() && !input.is_complex())
                spec.input_integers = input.scalar_type();
        }
    }
    spec.plugins = loaded_plugins();
    spec.config = config.resolved;
    return spec;
}

std::shared_ptr<const Task> task_of(const ServedSpec& spec) {
    TaskContext context;
    context.class_names = spec.classes;
    context.output_kind = spec.output;
    context.config = spec.config;
    return choose_task(spec.task, std::move(context)).task;
}

void check_one_input(const RunConfig& config, const Model& model) {
    const std::vector<std::string> inputs = model.inputs_in(Phase::test);
    if (inputs.size() < 2) return;
    throw ConfigError(
        {{config.model.config.place,
          concat("model \"", config.model.type(), "\" takes ", join(inputs, " and "),
                 "; infer, and export to onnx, torchscript and artifact, know models of one input "
                 "yet. Its weights can be exported, to safetensors and pth")}});
}

at::ScalarType scalar_type(const ServedSpec& spec) {
    return spec.dtype == "float64" ? at::kDouble : at::kFloat;
}

at::ScalarType input_type(const ServedSpec& spec) {
    return spec.input_integers.value_or(scalar_type(spec));
}

Node to_node(const ServedSpec& spec) {
    Node node = Node::map();
    node.set("model", spec.model);
    node.set("dtype", Node::string(spec.dtype));
    node.set("channels_last", Node(Node::Value(spec.channels_last)));
    node.set("autocast", Node::string(!spec.autocast                    ? ""
                                      : *spec.autocast == at::kBFloat16 ? "bfloat16"
                                                                        : "float16"));
    put_classes(node, {spec.classes, spec.numbered_classes, spec.numbered_classes.has_value()});
    node.set("output", Node::string(spec.output ? name_of(*spec.output) : ""));
    node.set(task_key, spec.task);
    node.set("input", Node::string(spec.input));
    node.set("input_dtype", Node::string(name_of(input_type(spec))));
    node.set("input_shape", OptionType<std::vector<int64_t>>::write(spec.input_shape));
    node.set("image", spec.image ? image_node(*spec.image) : Node());
    Node plugins = Node::list();
    for (const ServedPlugin& plugin : spec.plugins) plugins.items().push_back(plugin_node(plugin));
    node.set("plugins", std::move(plugins));
    node.set("config", spec.config);
    return node;
}

ServedSpec spec_from(const Node& node, const std::string& source) {
    ServedSpec spec;
    try {
        spec.model = member(node, "model", source);
        spec.dtype = one_of_these(node, "dtype", {"float32", "float64"}, source);
        spec.channels_last = member(node, "channels_last", source).as_bool();
        const std::string& autocast =
            one_of_these(node, "autocast", {"", "bfloat16", "float16"}, source);
        if (!autocast.empty()) spec.autocast = autocast == "float16" ? at::kHalf : at::kBFloat16;
        for (const Node& name : member(node, "classes", source).items())
            spec.classes.push_back(name.as_string());
        if (const ClassFacts classes = classes_in(node); classes.are_numbers)
            spec.numbered_classes = classes.count;
        spec.output = output_from(node, source);
        if (const Node* task = node.find(task_key)) spec.task = *task;  // earlier ones have none
        spec.input = member(node, "input", source).as_string();
        // Absent in files from before it was noted, which were fed floats.
        if (const Node* dtype = node.find("input_dtype"))
            if (const auto type = type_named(dtype->as_string(), source);
                c10::isIntegralType(type, /*includeBool=*/true))
                spec.input_integers = type;
        for (const Node& size : member(node, "input_shape", source).items()) {
            spec.input_shape.push_back(size.as_int());
            if (size.as_int() < 0)
                throw Error(concat(source, ": \"input_shape\" has the size ", size.as_int()));
        }
        const Node& image = member(node, "image", source);
        if (!image.is_null()) spec.image = image_from(image, source);
        for (const Node& plugin : member(node, "plugins", source).items()) {
            spec.plugins.push_back({member(plugin, "name", source).as_string(),
                                    member(plugin, "version", source).as_string(),
                                    member(plugin, "build_id", source).as_string(),
                                    member(plugin, "file", source).as_string(),
                                    member(plugin, "builtin", source).as_bool()});
            if (const Node* digest = plugin.find("sha256"))
                spec.plugins.back().sha256 = digest->as_string();
        }
        spec.config = member(node, "config", source);
    } catch (const std::bad_variant_access&) {
        throw Error(concat(source, ": a value has another type than it should"));
    }
    return spec;
}

}  // namespace ailab
