#pragma once
// What the ranks of a job share and nobody else knows, and what is computed from it.
#include <optional>
#include <string>
#include <string_view>

namespace ailab::dist {

struct Secret {
    std::string text;
    /// Where it comes from, for messages: "AILAB_SECRET".
    std::string source;
};

/// The secret that the environment gives this rank, the same on all hosts: AILAB_SECRET, else the
/// random key that OpenMPI's mpirun makes for each job. Throws ConfigError for an AILAB_SECRET that
/// is too short to be one.
std::optional<Secret> secret_of_environment();

/// From the kernel. Throws Error.
std::string random_bytes(size_t count);

/// HMAC-SHA256, 32 bytes.
std::string hmac(std::string_view key, std::string_view text);

/// Takes as long for equal texts as for others of their length.
bool equal_in_secret(std::string_view one, std::string_view other);

}  // namespace ailab::dist
