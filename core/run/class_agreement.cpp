#include "class_agreement.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "ailab/datasets/written_labels.hpp"

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
    std::optional<int64_t> count;

    PhaseClasses(const Dataset& dataset, Phase phase, const RunConfig& config)
        : dataset(dataset),
          name(concat("data.", phase_name(phase))),
          place(place_of(config.source, name)),
          names(dataset.class_names()),
          labels(dataset.labels()),
          count(dataset.num_classes()) {
        constexpr int64_t largest = std::numeric_limits<int64_t>::max() - 1;
        if (!count && !labels.empty())
            count = std::min(*std::max_element(labels.begin(), labels.end()), largest) + 1;
    }

    /// Whether its classes are told by numbers alone.
    bool is_numbered() const { return names.empty() && !labels.empty(); }
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
};

/// Labels that are not below `count`: each with its first sample. `text` says what is wrong.
template <class Text>
void refuse_labels(const PhaseClasses& here, int64_t count, const std::set<int64_t>& ignored,
                   const Text& text, Problems& problems) {
    constexpr size_t most = 5;
    std::map<int64_t, std::pair<size_t, int64_t>> found;  // the first sample, and how many
    for (size_t i = 0; i < here.labels.size(); ++i)
        if (here.labels[i] >= count && !ignored.contains(here.labels[i]))
            ++found.try_emplace(here.labels[i], i, 0).first->second.second;
    size_t told = 0;
    for (const auto& [label, samples] : found) {
        if (told++ == most) break;
        const std::string place = label_place(here.dataset, int64_t(samples.first));
        problems.add({std::make_shared<const std::string>(place), 0, 0},
                     concat("label ", label,
                            samples.second == 1 ? "" : concat(" (", samples.second, " samples)"),
                            " of ", here.name, " ", text()));
    }
}

/// Names of one phase against the known ones.
void agree_on_names(Dataset& dataset, const PhaseClasses& here, const KnownClasses& known,
                    const std::vector<std::string>& names, std::vector<std::string>& notes,
                    Problems& problems) {
    if (begins_with(names, here.names)) return;
    auto* written = dynamic_cast<WrittenLabels*>(&dataset);
    if (holds_all(names, here.names) && written && written->number_classes_as(names)) {
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

void agree_on_numbers(const PhaseClasses& here, const KnownClasses& known,
                      const std::set<int64_t>& ignored, Problems& problems) {
    if (!known.count) return;
    const std::string remedy =
        concat("; if ", known.name, " merely lacks it, give that num_classes");
    if (here.labels.empty() && here.count && *here.count > *known.count)
        problems.add(here.place, concat(here.name, " has ", *here.count, " classes, and ",
                                        known.name, " ", *known.count, remedy));
    refuse_labels(
        here, *known.count, ignored,
        [&] {
            return concat("is none of the classes 0 … ", *known.count - 1, " of ", known.name,
                          remedy);
        },
        problems);
}

void agree_with(const KnownClasses& known, Dataset& dataset, const PhaseClasses& here,
                const std::set<int64_t>& ignored, std::vector<std::string>& notes,
                Problems& problems) {
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
    agree_on_numbers(here, known, ignored, problems);
}

}  // namespace

void agree_on_classes(const RunConfig& config, const std::vector<std::string>& trained,
                      Modules& modules, Problems& problems) {
    const Outputs outputs(config);
    const std::set<int64_t> ignored = integers_of(config.loss.config, "ignore_index");
    const auto train_data = modules.data.find(Phase::train);
    std::optional<KnownClasses> known;
    if (train_data != modules.data.end()) {
        const PhaseClasses train(*train_data->second.dataset, Phase::train, config);
        known = {train.name, train.names, train.count, train.is_numbered()};
    } else if (!trained.empty()) {
        known = {"the training data", trained, int64_t(trained.size()), false};
    }
    for (auto& [phase, data] : modules.data) {
        const size_t before = problems.size();
        if (phase != Phase::train && known)
            agree_with(*known, *data.dataset, {*data.dataset, phase, config}, ignored,
                       modules.notes, problems);
        // A model that owns its step knows what its labels are.
        if (!outputs.classes || modules.model->owns_step() || problems.size() > before) continue;
        refuse_labels(
            {*data.dataset, phase, config}, *outputs.classes, ignored,
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

void check_resumed_classes(const std::vector<std::string>& saved,
                           const std::vector<std::string>& present) {
    // Earlier checkpoints say nothing.
    if (saved.empty() || present.empty() || saved == present) return;
    const bool fewer = begins_with(saved, present);
    throw Error(concat(fewer ? difference(saved, "the checkpoint", present, "data.train")
                             : difference(present, "data.train", saved, "the checkpoint"),
                       ". Give data.train as it was, or start a new run from the weights with "
                       "load_from"));
}

}  // namespace ailab
