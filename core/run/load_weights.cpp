#include "load_weights.hpp"

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "ailab/error.hpp"

namespace ailab {

namespace {

/// `<work_dir>/last_checkpoint` is a text that names the newest checkpoint.
std::string follow_pointer(const std::string& path) {
    if (!std::filesystem::exists(path))
        throw Error(concat("load_from: ", path, " does not exist; name a checkpoint's folder (",
                           "…/checkpoints/epoch_1), a last_checkpoint or a .safetensors file"));
    if (std::filesystem::path(path).filename() != "last_checkpoint") return path;
    std::ifstream pointer(path);
    std::string target;
    std::getline(pointer, target);
    if (!std::filesystem::is_directory(target))
        throw Error(concat("load_from: ", path, " names the checkpoint \"", target,
                           "\", which is not there (a relative path counts from the current "
                           "directory); name the checkpoint's folder itself"));
    return target;
}

}  // namespace

void load_weights(torch::nn::Module& model, const std::string& given) {
    const std::string path = follow_pointer(given);
    const bool folder = std::filesystem::is_directory(path);
    const std::string file = folder ? path + "/model.safetensors" : path;
    copy_weights(model, read_safetensors(file), "load_from: " + file);
}

void copy_weights(torch::nn::Module& model, const NamedTensors& weights,
                  const std::string& source) {
    const std::map<std::string, at::Tensor> loaded(weights.begin(), weights.end());
    std::map<std::string, at::Tensor> wanted;
    for (const auto& item : model.named_parameters()) wanted.emplace(item.key(), item.value());
    for (const auto& item : model.named_buffers()) wanted.emplace(item.key(), item.value());

    std::vector<std::string> problems;
    for (const auto& [name, tensor] : wanted) {
        const auto found = loaded.find(name);
        if (found == loaded.end()) {
            problems.push_back(concat("\"", name, "\" is not in the file"));
        } else if (found->second.sizes() != tensor.sizes()) {
            std::ostringstream shapes;
            shapes << found->second.sizes() << " in the file and " << tensor.sizes()
                   << " in the model";
            problems.push_back(concat("\"", name, "\" is ", shapes.str()));
        }
    }
    for (const auto& [name, tensor] : loaded)
        if (!wanted.count(name)) problems.push_back(concat("the model has no \"", name, "\""));
    if (!problems.empty())
        throw Error(concat(source, " does not fit the model: ", join(problems, "; ")));

    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : wanted) tensor.detach().copy_(loaded.at(name));
}

}  // namespace ailab
