#pragma once
// Names of what is being written: it gets its own name when it is complete. `<name>.tmp-<id>`, and
// `<name>.tmp-<id>-old` for what was set aside to be replaced by it.
#include <cstdint>
#include <optional>
#include <string>

namespace ailab {

/// `<path>.tmp-<id>`, which no other process or moment has.
std::string temporary_name(const std::string& path);
/// `<path>-old`.
std::string set_aside_name(const std::string& temporary);

/// Whether a file's or a folder's name (without its path) is such a one.
bool is_temporary_name(const std::string& name);
/// The name that what was set aside had, or "".
std::string name_before_set_aside(const std::string& path);
/// The process that made a temporary_name(), if it was of this host.
std::optional<int64_t> writer_on_this_host(const std::string& name);

}  // namespace ailab
