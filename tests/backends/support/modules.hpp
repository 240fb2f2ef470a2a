#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/backend.hpp"
#include "ailab/device.hpp"

namespace ailab::testing {

/// The backend of the built-in plugin of that name, made as the host makes it.
std::shared_ptr<Backend> load_backend(const std::string& name);
std::shared_ptr<Device> load_device(const std::string& name);

/// Which of these plugins were built here.
std::vector<std::string> built_backends(const std::vector<std::string>& names);

Placement placement_of(int rank, int size);

}  // namespace ailab::testing
