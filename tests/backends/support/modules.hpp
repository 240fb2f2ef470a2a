#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/backend.hpp"
#include "ailab/device.hpp"

namespace ailab::testing {

/// The module of a built-in plugin, made as the host makes it. The plugin has the module's name,
/// but nccl is in cuda.
std::shared_ptr<Backend> load_backend(const std::string& name);
std::shared_ptr<Device> load_device(const std::string& name);

std::string plugin_file(const std::string& plugin);

/// Which of these plugins were built here.
std::vector<std::string> built_backends(const std::vector<std::string>& names);

RankInfo rank_info_of(int rank, int size);

}  // namespace ailab::testing
