#include "load_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "ailab/error.hpp"
#include "ailab/model.hpp"
#include "checkpoint/averages.hpp"
#include "checkpoint/state_files.hpp"
#include "checkpoint/validate_weights.hpp"
#include "checkpoint/weights_file.hpp"
#include "pth/pickle_values.hpp"
#include "rename_weights.hpp"
#include "step/parameters.hpp"
#include "work_dir/last_checkpoint.hpp"

namespace ailab {

namespace {

namespace fs = std::filesystem;
using TensorMap = std::map<std::string, at::Tensor>;

/// The checkpoints of a run's folder, its `checkpoints` folder or a work_dir, that a user who named
/// one of these may have meant.
std::vector<std::string> checkpoints_in(const std::string& folder) {
    std::vector<std::string> found;
    for (const char* below : {"", "checkpoints", "latest/checkpoints"}) {
        std::error_code error;
        for (fs::directory_iterator it(fs::path(folder) / below, error), end; !error && it != end;
             it.increment(error)) {
            std::error_code unreadable;
            const bool own = fs::exists(it->path() / checkpoint_file::model, unreadable);
            if (own || it->path().extension() == ".pth") found.push_back(it->path().string());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// What the user's path leads to.
std::string named_place(const std::string& given) {
    return follow_last_checkpoint(
        given,
        "a checkpoint's folder (…/checkpoints/epoch_1), a last_checkpoint, a .safetensors or a "
        ".pth file");
}

/// The file that holds the weights of a path.
std::string weights_path(const std::string& path) {
    if (!fs::is_directory(path)) return path;
    const std::string file = path + "/" + checkpoint_file::model;
    std::error_code unreadable;  // who opens it says why
    if (fs::exists(file, unreadable) || unreadable) return file;
    const std::vector<std::string> inside = checkpoints_in(path);
    throw Error(concat(path, " is a folder without ", checkpoint_file::model, "; ",
                       inside.empty() ? "name a checkpoint's folder (…/checkpoints/epoch_1)"
                                      : "name one of its checkpoints: " + join(inside)));
}

TensorMap tensors_of(torch::nn::Module& model) {
    TensorMap tensors;
    for (const auto& item : model.named_parameters()) tensors.emplace(item.key(), item.value());
    for (const auto& item : model.named_buffers()) tensors.emplace(item.key(), item.value());
    return tensors;
}

/// The model's parameters and buffers, each tensor once, by their names.
std::vector<NamedParameter> by_name(const TensorMap& tensors) {
    return by_identity({tensors.begin(), tensors.end()});
}

/// What is wrong where a file has different values for the names of one tensor of the model, or "".
std::string different_values(const NamedParameter& one,
                             const std::vector<std::pair<std::string, at::Tensor>>& values) {
    for (size_t i = 1; i < values.size(); ++i) {
        const auto as_in_model = [&](const at::Tensor& value) {
            return value.to(one.tensor.scalar_type());
        };
        if (!at::allclose(as_in_model(values[0].second), as_in_model(values[i].second), /*rtol=*/0,
                          /*atol=*/0, /*equal_nan=*/true))
            return concat("\"", values[0].first, "\" and \"", values[i].first,
                          "\" are one tensor of the model, and have different values in the file");
    }
    return "";
}

int64_t count_fitting(const TensorMap& named, const TensorMap& wanted) {
    return std::count_if(named.begin(), named.end(),
                         [&](const auto& entry) { return wanted.count(entry.first); });
}

/// Other libraries give some tensors dimensions of 1 that the model's have not, or the reverse.
at::Tensor shaped_like(const at::Tensor& tensor, const at::Tensor& wanted) {
    const bool same = tensor.squeeze().sizes() == wanted.squeeze().sizes();
    return same ? tensor.reshape(wanted.sizes()) : tensor;
}

/// Under the names that Model::state_dict_key() gives.
TensorMap renamed(const TensorMap& tensors, const Model& model, const TensorMap& wanted) {
    TensorMap result;
    for (const auto& [name, tensor] : tensors) {
        const std::string own = model.state_dict_key(name);
        const auto here = wanted.find(own);
        const bool is_new =
            result.emplace(own, here == wanted.end() ? tensor : shaped_like(tensor, here->second))
                .second;
        if (!is_new) return {};  // two of one name: these are not the library's names
    }
    return result;
}

/// A file's tensors under names that the model may have.
struct NamedWeights {
    TensorMap tensors;
    std::string prefix;               // that only these had, and was dropped
    std::vector<std::string> beside;  // the names without it
};

/// Those below `prefix`, without it.
NamedWeights below(const NamedTensors& tensors, const std::string& prefix) {
    NamedWeights part{{}, prefix, {}};
    for (const auto& [name, tensor] : tensors)
        if (name.starts_with(prefix))
            part.tensors.emplace(name.substr(prefix.size()), tensor);
        else
            part.beside.push_back(name);
    return part;
}

/// The file's tensors under the names that fit the model best.
NamedWeights named_as_in_model(const WeightsFile& file, const torch::nn::Module& module,
                               const TensorMap& wanted) {
    const auto* model = dynamic_cast<const Model*>(&module);
    NamedWeights best;
    int64_t most = -1;
    const auto consider = [&](NamedWeights named) {
        // Of equals the shortest names, which come last.
        const int64_t fitting = count_fitting(named.tensors, wanted);
        if (fitting >= most) best = std::move(named);
        most = std::max(most, fitting);
    };
    const auto consider_if_better = [&](const NamedWeights& named) {
        if (count_fitting(named.tensors, wanted) > most) consider(named);
    };
    std::vector<NamedWeights> originals;
    for (const std::string& prefix : prefixes_to_keep(file.prefix)) {
        NamedWeights named;
        for (const auto& [name, tensor] : file.tensors)
            named.tensors.emplace(prefix + name, tensor);
        originals.push_back(named);
        consider(std::move(named));
    }
    for (const std::string& prefix : partial_prefixes(file.tensors)) {
        originals.push_back(below(file.tensors, prefix));
        consider_if_better(originals.back());
    }
    if (!model) return best;
    for (const NamedWeights& original : originals)
        consider_if_better(
            {renamed(original.tensors, *model, wanted), original.prefix, original.beside});
    return best;
}

/// What to write in the configuration where more of the model is in a part of the file than
/// `fitting` tensors; or "".
std::string prefix_advice(const WeightsFile& file, const std::string& path, const TensorMap& wanted,
                          int64_t fitting) {
    std::map<std::string, int64_t> fitting_below;
    for (const auto& [name, tensor] : file.tensors)
        for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
            fitting_below[name.substr(0, dot + 1)] += int64_t(wanted.count(name.substr(dot + 1)));
    std::string best;
    for (const auto& [prefix, count] : fitting_below) {
        if (count <= fitting) continue;
        fitting = count;
        best = prefix;
    }
    if (best.empty()) return "";
    return concat(fitting, " of the model's ", wanted.size(), " tensors are there below \"",
                  printable(best), "\"; to take these give model.pretrained: {file: ", path,
                  ", prefix: ", printable(best), "}");
}

/// BatchNorm counts its batches only since PyTorch 0.4.1; older files go without.
bool may_be_absent(const std::string& name) {
    constexpr std::string_view counter = "num_batches_tracked";
    return name == counter || name.ends_with("." + std::string(counter));
}

bool share_names(const TensorMap& a, const TensorMap& b) {
    return std::any_of(a.begin(), a.end(), [&](const auto& entry) { return b.count(entry.first); });
}

/// What the names of the layer that gives the classes begin with: it is the last one. "" if the
/// model has no layers.
std::string head_of(const torch::nn::Module& model) {
    const auto parameters = model.named_parameters();
    if (parameters.is_empty()) return "";
    const std::string& last = parameters.back().key();
    return last.substr(0, last.rfind('.') + 1);
}

/// Whether a head's tensor is the same but for the number of classes.
bool differs_in_classes(const at::Tensor& a, const at::Tensor& b) {
    return a.dim() == b.dim() && a.dim() > 0 && a.sizes().slice(1) == b.sizes().slice(1);
}

std::string first_few(std::vector<std::string> names) {
    constexpr size_t enough = 5;
    if (names.empty()) return "no tensors";
    const bool all = names.size() <= enough;
    if (!all) names.resize(enough);
    return printable(join(names)) + (all ? "" : ", …");
}

std::string first_few(const TensorMap& tensors) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors) names.push_back(name);
    return first_few(std::move(names));
}

/// What the file has beside the part that was taken: a wrapper's counter, a loss, metrics.
std::string describe_beside(const NamedWeights& named) {
    if (named.beside.empty()) return "";
    return concat("; these are below \"", named.prefix, "\", beside ", first_few(named.beside));
}

/// A checkpoint's averages stand for its trained weights. Returns words for the summary.
std::string take_averages(const std::string& folder, WeightsFile& file) {
    const std::optional<Averages> averages = read_averages(folder);
    if (!averages) return "";
    return concat("; ", put_averages(*averages, file), " of the file's are averages of ",
                  averages->hook, " (to take the raw weights name the folder's ",
                  checkpoint_file::model, ")");
}

/// Which of a checkpoint's weights were taken.
std::string describe_key(const WeightsFile& file) {
    if (file.key.empty()) return "";
    return concat(" (", file.key, file.other_keys.empty() ? "" : ", not " + join(file.other_keys),
                  ")");
}

/// Copies what fits, after `prefix` and `mapping`. A head for other classes keeps its value if
/// `classes_may_differ`.
LoadedWeights load(torch::nn::Module& model, const Pretrained& from, bool classes_may_differ) {
    const std::string place = named_place(from.file), path = weights_path(place);
    validate_weights(place);
    WeightsFile file = read_weights_file(path);
    LoadedWeights loaded;
    const std::string averaged = path == place ? "" : take_averages(place, file);
    loaded.unmatched = rename_weights(file, from, path);
    const TensorMap wanted = tensors_of(model);
    const NamedWeights named = named_as_in_model(file, model, wanted);
    const TensorMap& found = named.tensors;
    const std::string head = classes_may_differ ? head_of(model) : "";
    std::string new_head;

    std::vector<std::pair<at::Tensor, at::Tensor>> copies;
    const auto consider = [&](const std::string& name, const at::Tensor& tensor,
                              NamedTensors& values) {
        const auto weight = found.find(name);
        if (weight == found.end()) return;
        if (!head.empty() && name.starts_with(head) && weight->second.sizes() != tensor.sizes() &&
            differs_in_classes(weight->second, tensor)) {
            new_head = concat("; \"", head.substr(0, head.size() - 1), "\" starts anew: it has ",
                              weight->second.size(0), " classes in the file and ", tensor.size(0),
                              " in the model");
        } else if (weight->second.sizes() != tensor.sizes()) {
            loaded.unmatched.push_back(concat("\"", name, "\" is ",
                                              c10::str(weight->second.sizes()), " in the file and ",
                                              c10::str(tensor.sizes()), " in the model"));
        } else if (weight->second.is_complex() && !tensor.is_complex()) {
            loaded.unmatched.push_back(concat("\"", name, "\" is complex in the file"));
        } else {
            values.emplace_back(*weight);
        }
    };
    const std::vector<NamedParameter> targets = by_name(wanted);
    for (const NamedParameter& target : targets) {
        NamedTensors values;  // under whichever of its names
        bool in_file = false;
        for (const std::string& name : names_of(target)) {
            in_file = in_file || found.count(name);
            consider(name, target.tensor, values);
        }
        if (!in_file && !may_be_absent(target.name))
            loaded.unmatched.push_back(concat("\"", target.name, "\" is not in the file"));
        if (const std::string why = different_values(target, values); !why.empty())
            throw Error(concat(path, ": ", printable(why)));
        if (!values.empty()) copies.emplace_back(target.tensor.detach(), values[0].second);
    }
    for (const auto& [name, tensor] : found)
        if (!wanted.count(name))
            loaded.unmatched.push_back(concat("the model has no \"", name, "\""));
    loaded.unmatched.insert(loaded.unmatched.end(), file.left_out.begin(), file.left_out.end());
    for (std::string& why : loaded.unmatched) why = printable(why);
    const std::string advice =
        loaded.unmatched.empty() ? ""
                                 : prefix_advice(file, path, wanted, count_fitting(found, wanted));
    if (copies.empty())
        throw Error(concat(
            "nothing in ", path, " fits the model: ",
            share_names(found, wanted) && !loaded.unmatched.empty()
                ? join(loaded.unmatched, "; ")
                : concat("the file has ", first_few(found), "; the model has ", first_few(wanted)),
            advice.empty() ? "" : "; " + advice));
    loaded.advice = advice;

    const at::NoGradGuard no_grad;
    for (auto& [tensor, weight] : copies) tensor.copy_(weight);
    loaded.summary = concat("weights loaded from ", path, describe_key(file), ": ", copies.size(),
                            " of the model's ", targets.size(), " tensors", new_head,
                            describe_beside(named), averaged);
    return loaded;
}

/// The same with errors that begin with the key of the configuration.
LoadedWeights load(torch::nn::Module& model, const std::string& key, const Pretrained& from) {
    try {
        LoadedWeights loaded = load(model, from, key == "pretrained");
        loaded.key = key;
        return loaded;
    } catch (const Error& error) {
        throw Error(concat(key, ": ", error.what()));
    }
}

}  // namespace

LoadedWeights load_weights(torch::nn::Module& model, const std::string& path) {
    return load(model, "load_from", {path, "", {}});
}

LoadedWeights load_weights(torch::nn::Module& model, const Pretrained& pretrained) {
    return load(model, "pretrained", pretrained);
}

std::string describe_unmatched(const LoadedWeights& loaded) {
    if (loaded.unmatched.empty()) return "";
    return concat(loaded.key, ": ", loaded.unmatched.size(),
                  " tensor(s) did not match: ", join(loaded.unmatched, "; "),
                  loaded.advice.empty() ? "" : "; " + loaded.advice);
}

NamedTensors weights_of(const torch::nn::Module& model) {
    NamedTensors weights;
    for (const auto& item : model.named_parameters())
        weights.emplace_back(item.key(), item.value().detach());
    for (const auto& item : model.named_buffers())
        weights.emplace_back(item.key(), item.value().detach());
    return weights;
}

void copy_weights(torch::nn::Module& model, const NamedTensors& weights,
                  const std::string& source) {
    const TensorMap loaded(weights.begin(), weights.end());
    const TensorMap wanted = tensors_of(model);
    std::vector<std::string> problems;
    std::vector<std::pair<at::Tensor, at::Tensor>> copies;
    for (const NamedParameter& target : by_name(wanted)) {
        NamedTensors values;
        bool in_file = false;
        for (const std::string& name : names_of(target)) {
            const auto found = loaded.find(name);
            if (found == loaded.end()) continue;
            in_file = true;
            if (found->second.sizes() == target.tensor.sizes())
                values.emplace_back(*found);
            else
                problems.push_back(concat("\"", name, "\" is ", c10::str(found->second.sizes()),
                                          " in the file and ", c10::str(target.tensor.sizes()),
                                          " in the model"));
        }
        if (!in_file) problems.push_back(concat("\"", target.name, "\" is not in the file"));
        if (std::string why = different_values(target, values); !why.empty())
            problems.push_back(std::move(why));
        if (!values.empty()) copies.emplace_back(target.tensor.detach(), values[0].second);
    }
    for (const auto& [name, tensor] : loaded)
        if (!wanted.count(name)) problems.push_back(concat("the model has no \"", name, "\""));
    if (!problems.empty())
        throw Error(concat(source, " does not fit the model: ", join(problems, "; ")));

    const at::NoGradGuard no_grad;
    for (auto& [tensor, value] : copies) tensor.copy_(value);
}

}  // namespace ailab
