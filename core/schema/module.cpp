#include <algorithm>
#include <exception>

#include "ailab/module_spec.hpp"
#include "common_keys.hpp"
#include "config/error_words.hpp"
#include "config/memory_error.hpp"
#include "config/options_reader.hpp"
#include "config/scalar.hpp"
#include "missing_type.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

/// `hook "LoggerHook" of liblogging.so (logger.cpp:20)`
std::string title_with_origin(const ModuleEntry& entry) {
    return concat(entry.kind, " ", in_quotes(entry.name), " of ", entry.origin);
}

/// What asked for it, most likely.
class LargestInteger final : public OptionVisitor {
  public:
    void rule(const std::function<std::string()>&) override {}
    std::string name;
    int64_t value = 0;

  protected:
    void visit(const Field& field, FieldRef& ref) override { look(field.name, ref.write()); }

  private:
    void look(const std::string& at, const Node& node) {
        if (node.is_int() && node.as_int() > value) {
            name = at;
            value = node.as_int();
        }
        if (node.is_list())
            for (size_t i = 0; i < node.items().size(); ++i)
                look(concat(at, "[", i, "]"), node.items()[i]);
        if (node.is_map())
            for (const Member& member : node.members())
                look(at.empty() ? member.key : concat(at, ".", member.key), member.value);
    }
};

/// "model "mlp" …: there is not enough memory for it; hidden[0] is 4000000000".
std::string without_memory(const std::string& title, OptionsHolder& options) {
    LargestInteger largest;
    options.visit(largest);
    return concat(title, ": there is not enough memory for it",
                  largest.name.empty()
                      ? "."
                      : concat("; the largest number among its options is ", largest.name, ", ",
                               largest.value, ". Make it smaller."));
}

std::shared_ptr<const ModuleEntry> find_entry(const std::string& kind, const Node& node,
                                              const std::string& name, Problems& problems) {
    if (!node.is_map()) {
        detail::wrong_type(node, name, OptionSchema::module_of(kind), problems);
        return nullptr;
    }
    const Node* type = node.find("type");
    if (!type) {
        report_missing_type(kind, node, name, problems);
        return nullptr;
    }
    const size_t before = problems.size();
    std::string type_name;
    OptionType<std::string>::read(*type, type_name, Bounds(), name + ".type", problems);
    if (problems.size() != before) return nullptr;
    std::string complaint;
    auto entry = PluginHost::instance().find(kind, type_name, complaint);
    if (!entry) problems.add(type->place, complaint);
    return entry;
}

/// A module must not name an option like a key that its whole kind takes.
void check_reserved(CommonKeys& common, const ModuleEntry& entry, OptionsHolder& options,
                    const Place& place, Problems& problems) {
    std::vector<std::string> reserved =
        option_names([&](OptionVisitor& v) { common.visit(v); }).names;
    reserved.push_back("type");
    for (const std::string& own : option_names([&](OptionVisitor& v) { options.visit(v); }).names)
        if (std::find(reserved.begin(), reserved.end(), own) != reserved.end())
            problems.add(place, concat(title_with_origin(entry), " names an option ",
                                       in_quotes(own), ", which is a key of every ", entry.kind,
                                       ". Rename the option in the plugin."));
}

void check_phases(const Node& phases, const std::string& kind, const std::string& name,
                  const std::string& title, Problems& problems) {
    // An empty list would count as none.
    if (phases.is_list() && phases.items().empty())
        problems.add(
            phases.place,
            concat(title, ": phases is empty, so it would never be computed. Leave phases out ",
                   kind == "metric" ? "for val and test" : "for all", ", or remove the ", kind,
                   "."));
    else if (kind == "loss" && name != kind)
        problems.add(phases.place,
                     concat(title,
                            " is a part of another module, and phases is a key of the run's loss "
                            "alone. Give it there."));
}

}  // namespace

Node node_of_type(const std::string& type, const Place& place) {
    Node node = Node::map({}, place);
    node.set("type", Node::string(type, place));
    return node;
}

ModuleConfig read_module(const std::string& kind, const Node& node, const std::string& name,
                         Problems& problems) {
    const size_t before = problems.size();
    ModuleConfig config;
    config.place = node.place;
    config.entry = find_entry(kind, node, name, problems);
    if (!config.entry) return {};
    config.options = config.entry->node->make_options();

    CommonKeys common;
    common.kind = kind;
    check_reserved(common, *config.entry, *config.options, node.place, problems);
    const Subject subject{
        concat(kind, " ", in_quotes(config.entry->name)), name, "option", node.place, {"type"}};
    read_options(
        [&](OptionVisitor& v) {
            config.options->visit(v);
            common.visit(v);
        },
        node, subject, problems);
    if (common.pretrained)
        problems.add(node.find("pretrained")->place,
                     concat(subject.title,
                            " is a part of another module, and pretrained is a key "
                            "of the run's model alone. Give it there; its mapping "
                            "can put the file's names below a part's."));
    if (const Node* phases = kind == "metric" || kind == "loss" ? node.find("phases") : nullptr)
        check_phases(*phases, kind, name, subject.title, problems);
    if (problems.size() != before) return {};

    config.binding = std::move(common.binding);
    config.enable = common.enable.value_or(common.enabled.value_or(true));
    if (common.priority) config.priority = common.priority->value;
    if (common.transforms) {
        config.transforms.emplace();
        for (ModuleSpec<Transform>& transform : *common.transforms)
            config.transforms->push_back(std::move(transform.config));
    }
    return config;
}

std::shared_ptr<void> ModuleConfig::create() const {
    if (!entry) throw Error("an option that names no module was asked to make one");
    const std::string title = title_with_origin(*entry);
    const std::string where = place.str().empty() ? title : place.str() + ": " + title;
    try {
        return entry->node->create(*options);
    } catch (const ConfigError& error) {
        std::vector<Problem> problems;
        for (const Problem& problem : error.problems()) {
            const bool has_place = !problem.place.str().empty();
            problems.push_back(has_place ? problem : Problem{place, title + ": " + problem.text});
        }
        throw ConfigError(std::move(problems));
    } catch (const std::exception& error) {
        if (is_about_memory(error)) throw ConfigError({{place, without_memory(title, *options)}});
        throw Error(where + ": " + error_words(error));
    } catch (...) {
        throw Error(where + ": it threw something that is no std::exception. Throw ailab::Error.");
    }
}

Node ModuleConfig::write() const {
    if (!entry) return Node();
    // The bare name, unless two plugins share it.
    std::string ignored;
    const auto found = PluginHost::instance().find(entry->kind, entry->name, ignored);
    const bool bare = found && found->plugin == entry->plugin;
    Node out = Node::map();
    out.set("type", Node::string(bare ? entry->name : entry->plugin + "/" + entry->name));
    Node own = write_options([&](OptionVisitor& v) { options->visit(v); });
    for (Member& member : own.members()) out.set(member.key, std::move(member.value));

    if (!binding.mapping.empty())
        out.set("mapping", OptionType<std::map<std::string, std::string>>::write(binding.mapping));
    if (!binding.output_keys.empty())
        out.set("output_keys", OptionType<std::vector<std::string>>::write(binding.output_keys));
    if (!binding.phases.empty())
        out.set("phases", OptionType<std::vector<std::string>>::write(binding.phases));
    if (transforms) {
        Node list = Node::list();
        for (const ModuleConfig& transform : *transforms) list.items().push_back(transform.write());
        out.set("transforms", std::move(list));
    }
    if (entry->kind == "hook") out.set("enable", Node(Node::Value(enable)));
    if (priority) out.set("priority", OptionType<int>::write(*priority));
    return out;
}

}  // namespace ailab
