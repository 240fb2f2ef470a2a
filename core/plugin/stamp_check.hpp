#pragma once
// Does a plugin fit this host? Decided from its stamp, before any of its code runs.
#include <algorithm>
#include <string>

#include "ailab/abi.hpp"

namespace ailab::plugin {

/// The stamp of the running host.
const Stamp& host_stamp();

/// The stamp in the bytes of a plugin's stamp section. Throws ConfigError that begins with `path`
/// when there is none or it is damaged.
Stamp read_stamp(const std::string& path, const std::string& section);

/// Throws ConfigError that names each field in which the two must agree and do not, with both
/// values and the command that rebuilds the plugin.
void check_stamp(const std::string& path, const Stamp& plugin, const Stamp& host);

/// What differs without being wrong, or "".
std::string stamp_warning(const std::string& path, const Stamp& plugin, const Stamp& host);

/// A zero-padded field as text.
template <size_t N>
std::string stamp_text(const char (&field)[N]) {
    return std::string(field, std::find(field, field + N, '\0'));
}

}  // namespace ailab::plugin
