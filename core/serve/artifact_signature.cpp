#include "artifact_signature.hpp"

#include <ATen/ATen.h>

#include <filesystem>
#include <map>

#include "ailab/error.hpp"
#include "artifact.hpp"
#include "config/formats.hpp"
#include "files/new_file.hpp"
#include "pth/pickle_values.hpp"
#include "signature.hpp"
#include "work_dir/output_place.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// "<the key's name>:<the signature>", both in hex.
constexpr const char* signature_key = "ailab.signature";
constexpr size_t name_digits = 16;  // of a key's name

std::string line_of(const std::string& name, const void* data, uint64_t size) {
    return concat(sha256(data, size), " ", size, " ", name, "\n");
}

/// A name as JSON: without line ends, and another text for each name.
std::string quoted(const std::string& name) {
    return to_json(Node::string(name));
}

/// What is signed: a line for each part of the artifact, in one order. The checksum is of the file
/// and no part of what it says.
std::string content_list(const Artifact& artifact) {
    std::string list = "ailab artifact, list 1\n";
    for (const auto& [key, text] : artifact.metadata)
        if (key != signature_key && key != artifact_checksum)
            list += line_of(concat("metadata ", quoted(key)), text.data(), text.size());
    const std::map<std::string, at::Tensor> by_name(artifact.tensors.begin(),
                                                    artifact.tensors.end());
    for (const auto& [name, tensor] : by_name) {
        const at::Tensor bytes = tensor.contiguous();
        list += line_of(concat("tensor ", quoted(name), " ", c10::toString(bytes.scalar_type()),
                               " ", c10::str(bytes.sizes())),
                        bytes.const_data_ptr(), bytes.nbytes());
    }
    return list;
}

std::string short_name(const std::string& key) {
    return printable(key.substr(0, name_digits));
}

}  // namespace

std::string signer_of(const Artifact& artifact) {
    const auto found = artifact.metadata.find(signature_key);
    return found == artifact.metadata.end() ? "" : found->second.substr(0, found->second.find(':'));
}

void verify_artifact(const Artifact& artifact, const std::string& public_key) {
    const SignatureKey key(public_key, KeyHalf::public_key);
    const auto found = artifact.metadata.find(signature_key);
    if (found == artifact.metadata.end())
        throw ConfigError(concat(artifact.path, " is not signed, and only what the key in ",
                                 public_key,
                                 " has signed is taken: ailab-run sign, by whoever has the private "
                                 "key, signs it"));
    const std::string& text = found->second;
    const std::string signer = signer_of(artifact);
    if (signer != key.name())
        throw ConfigError(concat(artifact.path, " is signed by another key (", short_name(signer),
                                 "…) than that in ", public_key, " (", short_name(key.name()),
                                 "…). Take the public key of who signed it, if you trust them"));
    const std::string signature = text.substr(std::min(text.size(), signer.size() + 1));
    if (!key.verify(content_list(artifact), signature))
        throw ConfigError(concat(artifact.path,
                                 " is not what was signed: it was changed since, or "
                                 "its signature was. Get it again from who signed it"));
}

std::string sign_artifact(const SignRequest& request) {
    const bool in_place = request.output.empty();
    // A link stays one, and what it leads to is signed.
    const std::string output =
        in_place ? fs::weakly_canonical(request.artifact).string() : request.output;
    if (!in_place) check_output(output, request.force);
    const SignatureKey key(request.key, KeyHalf::private_key);
    Artifact artifact = read_artifact(request.artifact);
    check_plugin_names(artifact.path, artifact.spec().plugins, artifact.plugins());
    const bool again = artifact.metadata.count(signature_key) > 0;
    artifact.metadata[signature_key] = concat(key.name(), ":", key.sign(content_list(artifact)));
    const NewFile file(output);
    write_artifact(file.path(), artifact);
    file.move_to(output);
    return concat(output, ": signed", again ? " anew" : "", " by the key ", short_name(key.name()),
                  "…, with ", artifact.plugins().size(), " plugin(s) and ",
                  artifact.weights().size(), " tensors\n");
}

}  // namespace ailab
