#include "artifact.hpp"

#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"
#include "artifact_signature.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "config/formats.hpp"
#include "files/input_file.hpp"
#include "plugin/plugin_host.hpp"
#include "pth/pickle_values.hpp"
#include "signature.hpp"
#include "weights/load_weights.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr const char* spec_key = "ailab.spec";
constexpr const char* version_key = "ailab.version";
constexpr const char* no_checksum = "00000000";
constexpr const char* plugin_prefix = "plugin/";

/// Where the eight digits of the checksum stand in a file, or 0. The header comes first.
uint64_t find_checksum(const std::string& header) {
    const std::string before = concat("\"", artifact_checksum, "\":\"");
    const size_t at = header.find(before);
    return at == std::string::npos ? 0 : at + before.size();
}

std::string read_header(const InputFile& file) {
    uint64_t length = 0;
    if (file.size() < sizeof length) return "";
    file.read(&length, sizeof length, 0);
    if (length > max_safetensors_header || length > file.size() - sizeof length) return "";
    std::string header(sizeof length + length, '\0');
    file.read(header.data(), header.size(), 0);
    return header;
}

/// Of the whole file, the digits of the checksum taken as zeros.
std::string checksum_of(const InputFile& file, uint64_t digits_at) {
    constexpr uint64_t piece = 1 << 22;
    std::string bytes;
    uint32_t crc = 0;
    for (uint64_t at = 0; at < file.size(); at += bytes.size()) {
        bytes.resize(std::min(piece, file.size() - at));
        file.read(bytes.data(), bytes.size(), at);
        for (uint64_t i = 0; i < 8; ++i)
            if (digits_at + i >= at && digits_at + i < at + bytes.size())
                bytes[digits_at + i - at] = '0';
        crc = crc32c(bytes.data(), bytes.size(), crc);
    }
    char text[9];
    std::snprintf(text, sizeof text, "%08x", crc);
    return text;
}

void write_checksum(const std::string& path) {
    const InputFile file(path);
    const uint64_t at = find_checksum(read_header(file));
    const std::string digits = checksum_of(file, at);
    std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(std::streamoff(at));
    out.write(digits.data(), std::streamsize(digits.size()));
    if (!out.flush()) throw Error(concat("cannot write ", path));
}

void check_checksum(const InputFile& file) {
    const std::string& path = file.path();
    const std::string header = read_header(file);
    const uint64_t at = find_checksum(header);
    if (at == 0)
        throw Error(concat(path, " is no artifact of ailab-run export --to artifact, or damaged"));
    if (checksum_of(file, at) != header.substr(at, 8))
        throw Error(concat(path,
                           " is damaged: its checksum is not the one that was written. Copy or "
                           "export it again"));
}

at::Tensor bytes_of(const std::string& path) {
    const InputFile file(path);
    at::Tensor bytes = at::empty({int64_t(file.size())}, at::kByte);
    file.read(bytes.mutable_data_ptr<uint8_t>(), file.size(), 0);
    return bytes;
}

/// As an artifact stores it: with the digests of the files that the user's plugins are.
ServedSpec with_digests(ServedSpec spec) {
    const std::vector<LoadedPlugin> loaded = PluginHost::instance().loaded();
    for (ServedPlugin& plugin : spec.plugins)
        for (const LoadedPlugin& file : loaded)
            if (!plugin.builtin && file.name == plugin.name) {
                const at::Tensor bytes = bytes_of(file.path);
                plugin.sha256 = sha256(bytes.const_data_ptr(), bytes.nbytes());
            }
    return spec;
}

Node parse_spec(const Metadata& metadata, const std::string& path) {
    const auto text = metadata.find(spec_key);
    const auto version = metadata.find(version_key);
    if (text == metadata.end() || version == metadata.end())
        throw Error(concat(path, " is no artifact of ailab-run export --to artifact"));
    if (version->second != AILAB_VERSION)
        throw Error(concat(path, " was exported by ailab ", printable(version->second),
                           " and this is ailab ", AILAB_VERSION, "; export the model again"));
    return from_json(text->second, path);
}

}  // namespace

void write_artifact(const std::string& path, const ServedSpec& spec, const NamedTensors& weights,
                    bool with_plugins) {
    Metadata metadata = {{"format", "pt"},
                         {version_key, AILAB_VERSION},
                         {spec_key, to_json(to_node(with_digests(spec)))}};
    NamedTensors tensors = weights;
    note_aliases(weights, metadata);
    if (with_plugins)
        for (const LoadedPlugin& plugin : PluginHost::instance().loaded())
            if (!plugin.builtin)
                tensors.emplace_back(plugin_prefix + fs::path(plugin.path).filename().string(),
                                     bytes_of(plugin.path));
    write_artifact(path, {path, std::move(metadata), std::move(tensors)});
}

void write_artifact(const std::string& path, const Artifact& artifact) {
    Metadata metadata = artifact.metadata;
    metadata[artifact_checksum] = no_checksum;
    write_safetensors(path, artifact.tensors, metadata);
    write_checksum(path);
}

bool is_artifact(const std::string& path) {
    std::error_code ignored;
    if (fs::path(path).extension() == ".ailab") return true;
    if (!fs::is_regular_file(path, ignored)) return false;
    try {
        return find_checksum(read_header(InputFile(path))) != 0;
    } catch (const Error&) {
        return false;  // who opens it says why
    }
}

bool is_plugin_record(const std::string& name) {
    return name.starts_with(plugin_prefix);
}

Artifact read_artifact(const std::string& path) {
    const InputFile file(path);
    check_checksum(file);
    Artifact artifact;
    artifact.path = path;
    artifact.tensors = read_safetensors(file, &artifact.metadata);
    return artifact;
}

ServedSpec Artifact::spec() const {
    return spec_from(parse_spec(metadata, path), path);
}

NamedTensors Artifact::weights() const {
    NamedTensors weights = tensors;
    std::erase_if(weights, [](const auto& entry) { return is_plugin_record(entry.first); });
    restore_aliases(weights, metadata);
    return weights;
}

IncludedPlugins Artifact::plugins() const {
    IncludedPlugins plugins;
    for (const auto& [name, tensor] : tensors)
        if (is_plugin_record(name)) plugins[name.substr(std::strlen(plugin_prefix))] = tensor;
    return plugins;
}

ServedSpec read_artifact_spec(const std::string& path) {
    return read_artifact(path).spec();
}

std::unique_ptr<ServedModel> open_artifact(const std::string& path,
                                           const PredictorOptions& options) {
    const Artifact artifact = read_artifact(path);
    if (!options.public_key.empty()) verify_artifact(artifact, options.public_key);
    ServedSpec spec = artifact.spec();
    load_plugins(path, spec.plugins, artifact.plugins(), options);
    auto model = std::make_unique<ServedModel>(std::move(spec), options.device);
    copy_weights(model->model(), artifact.weights(), path);
    return model;
}

}  // namespace ailab
