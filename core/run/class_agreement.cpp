#include "class_agreement.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace ailab {
namespace {

constexpr const char* how_to_agree =
    "Give all data the same classes: folders of the same names (allow_empty: true takes those "
    "without images), or the same list as classes";

/// The integers under `key` anywhere in a module's configuration.
void gather_integers(const Node& node, const std::string& key, std::set<int64_t>& found) {
    if (node.is_list())
        for (const Node& item : node.items()) gather_integers(item, key, found);
    if (!node.is_map()) return;
    for (const Member& member : node.members()) {
        if (member.key == key && member.value.is_int()) found.insert(member.value.as_int());
        gather_integers(member.value, key, found);
    }
}

std::set<int64_t> integers_of(const ModuleConfig& module, const std::string& key) {
    std::set<int64_t> found;
    if (module) gather_integers(module.write(), key, found);
    return found;
}

/// What the loss, the metrics, or a model that owns its step leave out.
std::set<int64_t> ignored_labels(const RunConfig& config) {
    std::set<int64_t> found = integers_of(config.loss.config, "ignore_index");
    found.merge(integers_of(config.model.config, "ignore_index"));
    for (const NamedHook& hook : config.hooks)
        found.merge(integers_of(hook.spec.config, "ignore_index"));
    return found;
}

/// How many classes the model tells apart, and the key that says so. A loss with classes of its own
/// (one that turns features into scores) stands for the model.
struct Outputs {
    std::optional<int64_t> classes;
    const char* key = "model.num_classes";

    explicit Outputs(const RunConfig& config) {
        const std::set<int64_t> of_loss = integers_of(config.loss.config, "num_classes");
        if (!of_loss.empty()) {
            classes = *of_loss.rbegin();
            key = "loss.num_classes";
            return;
        }
        const Node model = config.model.config.write();
        const Node* given = model.find("num_classes");
        if (given && given->is_int()) classes = given->as_int();
    }
};

/// What one phase's data say of their classes.
struct PhaseClasses {
    const Dataset& dataset;
    std::string name;  // "data.val"
    Place place;
    std::vector<std::string> names;
    std::vector<int64_t> labels;
    std::set<int64_t> ignored;
    std::optional<int64_t> count;

    PhaseClasses(const Dataset& dataset, Phase phase, const RunConfig& config)
        : dataset(dataset),
          name(concat("data.", phase_name(phase))),
          place(place_of(config.source, name)),
          names(dataset.class_names()),
          labels(dataset.labels()),
          ignored(ignored_labels(config)),
          count(dataset.num_classes()) {
        if (!count && !names.empty()) count = int64_t(names.size());
        // A set that has counted its largest label may have counted one that is ignored.
        if (is_numbered() && (!count || ignored.contains(*count - 1))) count = counted();
    }

    /// Whether its classes are told by numbers alone.
    bool is_numbered() const { return names.empty() && !labels.empty(); }

    /// One more than the largest label; nothing where all are ignored.
    std::optional<int64_t> counted() const {
        constexpr int64_t most = std::numeric_limits<int64_t>::max() - 1;
        int64_t largest = -1;
        for (const int64_t label : labels)
            if (label > largest && !ignored.contains(label)) largest = label;
        return largest < 0 ? std::nullopt : std::optional(std::min(largest, most) + 1);
    }
};

/// "0", "1", …: folders may be called so. None where nobody has so many.
std::vector<std::string> number_names(int64_t count) {
    constexpr int64_t most = 1'000'000;
    std::vector<std::string> names;
    if (count > most) return names;
    for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
    return names;
}

bool holds_all(const std::vector<std::string>& all, const std::vector<std::string>& some) {
    const std::set<std::string> names(all.begin(), all.end());
    return std::all_of(some.begin(), some.end(),
                       [&](const std::string& name) { return names.contains(name); });
}

bool begins_with(const std::vector<std::string>& all, const std::vector<std::string>& first) {
    return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

/// Where `names` differ from `known`, in words.
std::string difference(const std::vector<std::string>& names, const std::string& here,
                       const std::vector<std::string>& known, const std::string& there) {
    size_t i = 0;
    while (i < names.size() && i < known.size() && names[i] == known[i]) ++i;
    return concat("class ", i, " is \"", names[i], "\" in ", here,
                  i < known.size() ? concat(", and \"", known[i], "\" in ", there)
                                   : concat(", which ", there, " has not"));
}

/// The classes that all others are numbered as.
struct KnownClasses {
    std::string name;  // "data.train"
    std::vector<std::string> names;
    std::optional<int64_t> count;
    bool is_numbered = false;
    /// What helps where a set has numbers that these do not have.
    std::string remedy;
};

/// Labels that are wrong: each with its first sample. `text` says why.
template <class Wrong, class Text>
void refuse_labels(const PhaseClasses& here, const Wrong& wrong, const Text& text,
                   Problems& problems) {
    constexpr size_t most = 5;
    std::map<int64_t, std::pair<size_t, int64_t>> found;  // the first sample, and how many
    for (size_t i = 0; i < here.labels.size(); ++i)
        if (wrong(here.labels[i]) && !here.ignored.contains(here.labels[i]))
            ++found.try_emplace(here.labels[i], i, 0).first->second.second;
    size_t told = 0;
    for (const auto& [label, samples] : found) {
        if (told++ == most) break;
        const std::string place = here.dataset.label_place(int64_t(samples.first));
        problems.add({std::make_shared<const std::string>(place), 0, 0},
                     concat("label ", label,
                            samples.second == 1 ? "" : concat(" (", samples.second, " samples)"),
                            " of ", here.name, " ", text()));
    }
}

template <class Text>
void refuse_labels_from(int64_t count, const PhaseClasses& here, const Text& text,
                        Problems& problems) {
    refuse_labels(
        here, [&](int64_t label) { return label >= count; }, text, problems);
}

/// What a data set says of its classes itself.
std::string outside_of_its_own(int64_t count, const PhaseClasses& here) {
    constexpr size_t most = 10;
    std::vector<std::string> told(
        here.names.begin(), here.names.begin() + std::ptrdiff_t(std::min(most, here.names.size())));
    if (here.names.size() > most) told.emplace_back("…");
    return concat(
        "is outside of its classes 0 … ", count - 1,
        told.empty() ? "" : concat(" (", join(told), ")"),
        "; correct the label or the classes, or, if such samples are to be left out, name "
        "it as ignore_index of the loss");
}

/// Names of one phase against the known ones.
void agree_on_names(Dataset& dataset, const PhaseClasses& here, const KnownClasses& known,
                    const std::vector<std::string>& names, std::vector<std::string>& notes,
                    Problems& problems) {
    if (begins_with(names, here.names)) return;
    if (holds_all(names, here.names) && dataset.number_classes_as(names)) {
        notes.push_back(concat(here.name, " has ", here.names.size(), " of the ", names.size(),
                               " classes of ", known.name, ", and is numbered as that"));
        return;
    }
    const auto unknown = std::find_if(here.names.begin(), here.names.end(), [&](const auto& name) {
        return std::find(names.begin(), names.end(), name) == names.end();
    });
    problems.add(here.place, concat(difference(here.names, here.name, names, known.name),
                                    unknown == here.names.end()
                                        ? ""
                                        : concat("; ", known.name, " has no \"", *unknown, "\""),
                                    ". ", how_to_agree));
}

void agree_on_numbers(const PhaseClasses& here, const KnownClasses& known, Problems& problems) {
    if (!known.count) return;
    if (here.labels.empty() && here.count && *here.count > *known.count)
        problems.add(here.place, concat(here.name, " has ", *here.count, " classes, and ",
                                        known.name, " ", *known.count, known.remedy));
    refuse_labels_from(
        *known.count, here,
        [&] {
            return concat("is none of the classes 0 … ", *known.count - 1, " of ", known.name,
                          known.remedy);
        },
        problems);
}

void agree_with(const KnownClasses& known, Dataset& dataset, const PhaseClasses& here,
                std::vector<std::string>& notes, Problems& problems) {
    if (!known.names.empty() && !here.names.empty())
        return agree_on_names(dataset, here, known, known.names, notes, problems);
    // Names that are the numbers themselves tell no more than numbers.
    const std::vector<std::string> numbers = number_names(known.count.value_or(0));
    if (known.is_numbered && !here.names.empty()) {
        if (holds_all(numbers, here.names))
            return agree_on_names(dataset, here, known, numbers, notes, problems);
        problems.add(here.place,
                     concat("the classes of ", here.name, " have names (\"", here.names[0],
                            "\" is 0), and those of ", known.name, " are numbers. ", how_to_agree));
        return;
    }
    if (here.is_numbered() && !known.names.empty() && known.names != numbers) {
        problems.add(here.place,
                     concat("the classes of ", here.name, " are numbers, and those of ", known.name,
                            " have names (\"", known.names[0], "\" is 0). ", how_to_agree));
        return;
    }
    agree_on_numbers(here, known, problems);
}

}  // namespace

ClassFacts class_facts(const Dataset& dataset, const RunConfig& config) {
    const PhaseClasses train(dataset, Phase::train, config);
    return {train.names, train.count, train.is_numbered()};
}

void agree_on_classes(const RunConfig& config, const ClassFacts& trained, Modules& modules,
                      Problems& problems) {
    const Outputs outputs(config);
    const auto train_data = modules.data.find(Phase::train);
    std::optional<KnownClasses> known;
    if (train_data != modules.data.end()) {
        const PhaseClasses train(*train_data->second.dataset, Phase::train, config);
        known = {train.name, train.names, train.count, train.is_numbered(),
                 concat("; if ", train.name, " merely lacks it, give that num_classes")};
    } else if (trained.is_known()) {
        known = {"the training data", trained.names, trained.count, trained.are_numbers,
                 ", which the weights were trained with; leave such samples out, or train with all "
                 "classes"};
    }
    for (auto& [phase, data] : modules.data) {
        const size_t before = problems.size();
        const PhaseClasses here(*data.dataset, phase, config);
        refuse_labels(
            here, [](int64_t label) { return label < 0; },
            [] {
                return "is negative; give a class's number, or, if such samples are to be left "
                       "out, name it as ignore_index of the loss";
            },
            problems);
        if (const auto own = data.dataset->num_classes())
            refuse_labels_from(
                *own, here, [&] { return outside_of_its_own(*own, here); }, problems);
        if (problems.size() > before) continue;
        if (phase != Phase::train && known)
            agree_with(*known, *data.dataset, here, modules.notes, problems);
        // A model that owns its step knows what its labels are.
        if (!outputs.classes || modules.model->owns_step() || problems.size() > before) continue;
        refuse_labels_from(
            *outputs.classes, {*data.dataset, phase, config},  // which may be numbered anew
            [&] {
                return concat("is outside of the model's classes 0 … ", *outputs.classes - 1, " (",
                              outputs.key, " is ", *outputs.classes, ")");
            },
            problems);
    }
    if (!known && outputs.classes)
        for (const auto& [phase, data] : modules.data)
            if (const std::string doubt = unknown_numbering(concat("data.", phase_name(phase)),
                                                            data.dataset->class_names(), config);
                !doubt.empty())
                modules.notes.push_back(doubt);
    if (known && known->count && outputs.classes && *outputs.classes > *known->count)
        modules.notes.push_back(concat("the model has ", *outputs.classes, " outputs (",
                                       outputs.key, "), and ", known->name, " ", *known->count,
                                       *known->count == 1 ? " class" : " classes"));
}

void check_mixed_classes(const RunConfig& config, const Modules& modules, Problems& problems) {
    const auto train = modules.data.find(Phase::train);
    if (train == modules.data.end() || modules.model->owns_step()) return;
    const LoaderOptions& loading = train->second.loader->options();
    const auto& listed = config.data.train.config.transforms;
    if (!loading.batch_transform || !listed || listed->empty()) return;
    const ModuleConfig& mix = listed->back();  // those of whole batches stand last
    const Node written = mix.write();
    const Node* given = written.find("num_classes");
    if (!given || !given->is_int()) return;
    const int64_t classes = given->as_int();
    const auto refuse = [&](const std::string& why, int64_t right, const char* more = "") {
        problems.add(mix.place,
                     concat(mix.entry->name, ": num_classes is ", classes, ", and ", why,
                            ": the mixed targets have one share a class. Set it to ", right, more));
    };
    const Outputs outputs(config);
    const std::optional<int64_t> known = class_facts(*train->second.dataset, config).count;
    if (outputs.classes && *outputs.classes != classes)
        refuse(concat("the model tells ", *outputs.classes, " classes apart (", outputs.key, ")"),
               *outputs.classes);
    else if (!outputs.classes && known && *known > classes)
        refuse(concat("data.train has ", *known, " classes"), *known,
               ", or to the number of the model's outputs if that is more");
}

std::string unknown_numbering(const std::string& data, const std::vector<std::string>& names,
                              const RunConfig& config) {
    const Outputs outputs(config);
    if (names.empty() || !outputs.classes || int64_t(names.size()) >= *outputs.classes) return "";
    return concat("the weights do not say how their classes are numbered, and ", data, " names ",
                  names.size(), " of ", *outputs.classes, " (", outputs.key, "): it takes \"",
                  names.front(),
                  "\" for class 0. Give the folder of the checkpoint, or list all "
                  "classes in the data");
}

void check_resumed_classes(const ClassFacts& saved, const ClassFacts& present) {
    // Earlier checkpoints say nothing, or only names.
    if (!saved.is_known() || !present.is_known() || saved.names == present.names) return;
    const auto refuse = [](const std::string& what) {
        throw Error(concat(what,
                           ". Give data.train as it was, or start a new run from the weights with "
                           "load_from"));
    };
    if (saved.are_numbers != present.are_numbers) {
        // Names that are the numbers themselves tell no more than numbers.
        const std::vector<std::string>& names = saved.are_numbers ? present.names : saved.names;
        if (names == number_names(int64_t(names.size()))) return;
        refuse(concat("the classes of ", saved.are_numbers ? "data.train" : "the checkpoint",
                      " have names (\"", names[0], "\" is 0), and those of ",
                      saved.are_numbers ? "the checkpoint" : "data.train", " are numbers"));
    }
    const bool fewer = begins_with(saved.names, present.names);
    refuse(fewer ? difference(saved.names, "the checkpoint", present.names, "data.train")
                 : difference(present.names, "data.train", saved.names, "the checkpoint"));
}

}  // namespace ailab
