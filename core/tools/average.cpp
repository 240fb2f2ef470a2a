#include <ATen/ATen.h>

#include <filesystem>

#include "ailab/error.hpp"
#include "checkpoint/averages.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/class_names.hpp"
#include "checkpoint/state_files.hpp"
#include "checkpoint/weights_file.hpp"
#include "host/threads.hpp"
#include "serve/artifact_file.hpp"
#include "tools.hpp"
#include "work_dir/checkpoint_choice.hpp"
#include "work_dir/output_place.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

struct Weights {
    std::map<std::string, at::Tensor> tensors;
    bool folder = false;
    std::string averaged_by;  // the hook whose averages they are, or ""
};

/// Those that stand for the trained model: of a checkpoint's folder its averages, if it has some.
Weights weights_in(const std::string& path) {
    Weights weights;
    weights.folder = fs::is_directory(path);
    if (weights.folder) validate_checkpoint(path);
    WeightsFile read = read_weights_file(
        weights.folder ? (fs::path(path) / checkpoint_file::model).string() : path);
    if (const auto averages = weights.folder ? read_averages(path) : std::nullopt) {
        put_averages(*averages, read);
        weights.averaged_by = averages->hook;
    }
    weights.tensors = {read.tensors.begin(), read.tensors.end()};
    // An artifact's plugins are no weights.
    std::erase_if(weights.tensors, [](const auto& entry) { return is_plugin_record(entry.first); });
    return weights;
}

/// The classes of all: those that say theirs must agree.
ClassFacts classes_of(const std::vector<std::string>& paths) {
    const auto text = [](const ClassFacts& classes) {
        return classes.are_numbers ? "that are numbers" : join(classes.names);
    };
    ClassFacts classes;
    for (const std::string& path : paths) {
        const ClassFacts own = trained_classes(path);
        if (classes.is_known() && own.is_known() && own.names != classes.names)
            throw Error(concat(path, " was trained with classes ", text(own),
                               ", and those before it with ", text(classes),
                               "; only checkpoints of the same classes can be averaged"));
        if (!classes.is_known()) classes = own;
    }
    return classes;
}

/// Averages and raw weights of one run are apart; their mean is neither.
void check_alike(const Weights& a, const std::string& a_path, const Weights& b,
                 const std::string& b_path) {
    if (!a.folder || !b.folder || a.averaged_by.empty() == b.averaged_by.empty()) return;
    const bool first = !a.averaged_by.empty();
    throw Error(concat(first ? a_path : b_path, " has averages, of ",
                       first ? a.averaged_by : b.averaged_by, ", and ", first ? b_path : a_path,
                       " has none; to take the raw weights name each folder's ",
                       checkpoint_file::model));
}

/// What sums of a tensor are taken in.
at::ScalarType wide(const at::Tensor& tensor) {
    return tensor.is_complex() ? at::kComplexDouble : at::kDouble;
}

void check_same(const std::map<std::string, at::Tensor>& first,
                const std::map<std::string, at::Tensor>& other, const std::string& path) {
    for (const auto& [name, tensor] : first) {
        const auto found = other.find(name);
        if (found == other.end())
            throw Error(concat(path, " has no \"", name,
                               "\"; only checkpoints of one model can be "
                               "averaged"));
        if (found->second.sizes() != tensor.sizes())
            throw Error(concat("\"", name, "\" is ", c10::str(found->second.sizes()), " in ", path,
                               " and ", c10::str(tensor.sizes()), " in the first"));
    }
    for (const auto& [name, tensor] : other)
        if (!first.count(name))
            throw Error(concat(path, " has \"", name, "\", which the first has not"));
}

}  // namespace

std::string average_checkpoints(const ToolRequest& request) {
    if (request.paths.size() < 2) throw ConfigError("average takes two checkpoints or more");
    if (request.output.empty())
        throw ConfigError("-o FILE.safetensors is missing: where the averaged weights are written");
    if (fs::path(request.output).extension() != ".safetensors")
        throw ConfigError(concat("average writes a .safetensors file; name it so: -o ",
                                 fs::path(request.output).stem().string(), ".safetensors"));
    check_output(request.output, request.force);
    keep_threads_to_quota();
    std::vector<std::string> paths;
    for (const std::string& given : request.paths)
        paths.push_back(find_checkpoint_of(given, request.work_dir));
    const ClassFacts classes = classes_of(paths);
    const Weights begin = weights_in(paths[0]);
    const auto& first = begin.tensors;
    std::map<std::string, at::Tensor> sums;
    for (const auto& [name, tensor] : first)
        if (tensor.is_floating_point() || tensor.is_complex())
            sums[name] = tensor.to(wide(tensor)).clone();
    for (size_t i = 1; i < paths.size(); ++i) {
        const Weights other = weights_in(paths[i]);
        check_alike(begin, paths[0], other, paths[i]);
        check_same(first, other.tensors, paths[i]);
        for (auto& [name, sum] : sums) sum += other.tensors.at(name).to(wide(sum));
    }
    NamedTensors mean;
    for (const auto& [name, tensor] : first) {
        const auto sum = sums.find(name);
        // Counters (num_batches_tracked) are those of the first.
        mean.emplace_back(name,
                          sum == sums.end()
                              ? tensor
                              : (sum->second / double(paths.size())).to(tensor.scalar_type()));
    }
    write_weights(request.output, mean, classes);
    return concat(request.output, ": the mean of ", paths.size(), " checkpoints",
                  begin.averaged_by.empty() ? "" : ", of the averages of " + begin.averaged_by,
                  ", ", mean.size(), " tensors\n");
}

}  // namespace ailab
