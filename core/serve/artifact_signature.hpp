#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

struct Artifact;

/// What `ailab-run sign` is to do.
struct SignRequest {
    std::string artifact;
    std::string key;     // an Ed25519 private key's file, PEM
    std::string output;  // "": in place
    bool force = false;  // replaces an output that exists
};

/// Signs all that an artifact holds: a list of name, size and SHA-256 of its description, its
/// weights and its plugins, by Ed25519. Replaces the file in one step. Returns what it did. Throws
/// Error and ConfigError (no key, a damaged artifact).
AILAB_API std::string sign_artifact(const SignRequest& request);

/// Throws ConfigError unless the artifact is as the private half of the key in the file
/// `public_key` has signed it.
void verify_artifact(const Artifact& artifact, const std::string& public_key);

/// The key that an artifact says to be signed by (SignatureKey::name()), or "".
std::string signer_of(const Artifact& artifact);

}  // namespace ailab
