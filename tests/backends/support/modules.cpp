#include "support/modules.hpp"

#include <dlfcn.h>

#include <filesystem>

#include "ailab/registry.hpp"

namespace ailab::testing {
namespace {

template <class Kind>
std::shared_ptr<Kind> load(const std::string& name) {
    const std::string file = plugin_file(name == "nccl" ? "cuda" : name);
    void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(std::string("cannot load ") + dlerror());
    auto* descriptor =
        static_cast<const plugin::Descriptor*>(dlsym(library, "ailab_plugin_descriptor"));
    if (!descriptor) throw std::runtime_error(file + " has no descriptor");
    for (auto* node = *descriptor->modules; node; node = node->next) {
        if (std::string(node->kind) != kind_name<Kind> || node->name != name) continue;
        auto options = node->make_options();
        return std::static_pointer_cast<Kind>(node->create(*options));
    }
    throw std::runtime_error(file + " holds no " + kind_name<Kind> + " " + name);
}

}  // namespace

std::string plugin_file(const std::string& plugin) {
    return std::string(AILAB_PLUGIN_FOLDER) + "/lib" + plugin + ".so";
}

std::shared_ptr<Backend> load_backend(const std::string& name) {
    return load<Backend>(name);
}
std::shared_ptr<Device> load_device(const std::string& name) {
    return load<Device>(name);
}

std::vector<std::string> built_backends(const std::vector<std::string>& names) {
    std::vector<std::string> built;
    for (const std::string& name : names)
        if (std::filesystem::exists(plugin_file(name))) built.push_back(name);
    return built;
}

RankInfo rank_info_of(int rank, int size) {
    RankInfo rank_info;
    rank_info.rank = rank_info.local_rank = rank;
    rank_info.world_size = rank_info.local_size = size;
    return rank_info;
}

}  // namespace ailab::testing
