#include "artifact.hpp"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ailab/abi.hpp"
#include "ailab/crc32c.hpp"
#include "ailab/error.hpp"
#include "checkpoint/input_file.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "config/formats.hpp"
#include "plugin/plugin_host.hpp"
#include "run/load_weights.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr const char* spec_key = "ailab.spec";
constexpr const char* version_key = "ailab.version";
constexpr const char* checksum_key = "ailab.crc32c";
constexpr const char* no_checksum = "00000000";
constexpr const char* plugin_prefix = "plugin/";

/// Where the eight digits of the checksum stand in a file, or 0. The header comes first.
uint64_t find_checksum(const std::string& header) {
    const std::string before = concat("\"", checksum_key, "\":\"");
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

void check_checksum(const std::string& path) {
    const InputFile file(path);
    const std::string header = read_header(file);
    const uint64_t at = find_checksum(header);
    if (at == 0)
        throw Error(concat(path, " is no artifact of ailab-run export --to artifact, or damaged"));
    const std::string written = header.substr(at, 8);
    if (checksum_of(file, at) != written)
        throw Error(concat(path, " is damaged: its checksum is not the one that was written (",
                           written, "). Copy or export it again"));
}

at::Tensor bytes_of(const std::string& path) {
    const InputFile file(path);
    at::Tensor bytes = at::empty({int64_t(file.size())}, at::kByte);
    file.read(bytes.mutable_data_ptr<uint8_t>(), file.size(), 0);
    return bytes;
}

/// A folder for the plugins of an artifact; what was loaded stays in memory without it.
class PluginFolder {
  public:
    PluginFolder() {
        std::string name = (fs::temp_directory_path() / "ailab-plugins-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw Error(concat("cannot make the folder ", name, ": ", std::strerror(errno)));
        path_ = name;
    }
    ~PluginFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    PluginFolder(const PluginFolder&) = delete;
    PluginFolder& operator=(const PluginFolder&) = delete;

    std::string add(const std::string& name, const at::Tensor& bytes) const {
        const std::string path = (path_ / fs::path(name).filename()).string();
        std::ofstream file(path, std::ios::binary);
        file.write(static_cast<const char*>(bytes.const_data_ptr()), bytes.numel());
        if (!file.flush()) throw Error(concat("cannot write ", path));
        return path;
    }

  private:
    fs::path path_;
};

const LoadedPlugin* find_loaded(const std::vector<LoadedPlugin>& loaded, const std::string& name) {
    for (const LoadedPlugin& plugin : loaded)
        if (plugin.name == name) return &plugin;
    return nullptr;
}

/// The user's plugins that the model was exported with, exactly those.
void load_plugins(const std::string& path, const ServedSpec& spec,
                  const std::map<std::string, at::Tensor>& included,
                  const PredictorOptions& options) {
    PluginHost& host = PluginHost::instance();
    host.add_search_folder(fs::absolute(path).parent_path().string());
    for (const std::string& plugin : options.plugins) host.load(plugin);
    const PluginFolder folder;
    for (const ServedPlugin& wanted : spec.plugins) {
        if (wanted.builtin) continue;
        const std::string title =
            concat(path, " needs the plugin \"", wanted.name, "\" ", wanted.version, " (",
                   wanted.file, ", build ", wanted.build_id.substr(0, 12), ")");
        if (!find_loaded(host.loaded(), wanted.name)) {
            const auto bytes = included.find(wanted.file);
            try {
                host.load(bytes == included.end() ? wanted.file
                                                  : folder.add(wanted.file, bytes->second));
            } catch (const ConfigError& error) {
                throw ConfigError(concat(title, ", which cannot be loaded: ", error.what(),
                                         " Put it beside the artifact, name it with --plugins, or "
                                         "export with --with-plugins"));
            }
        }
        const std::vector<LoadedPlugin> loaded = host.loaded();
        const LoadedPlugin* found = find_loaded(loaded, wanted.name);
        if (!found || found->build_id != wanted.build_id)
            throw ConfigError(concat(title, ", and ", found ? found->path : wanted.file,
                                     " is another build (",
                                     found ? found->build_id.substr(0, 12) : "unknown",
                                     "). Give the file that the model was exported with, or export "
                                     "the model again"));
    }
}

Node parse_spec(const Metadata& metadata, const std::string& path) {
    const auto text = metadata.find(spec_key);
    const auto version = metadata.find(version_key);
    if (text == metadata.end() || version == metadata.end())
        throw Error(concat(path, " is no artifact of ailab-run export --to artifact"));
    if (version->second != AILAB_VERSION)
        throw Error(concat(path, " was exported by ailab ", version->second, " and this is ailab ",
                           AILAB_VERSION, "; export the model again"));
    return from_json(text->second, path);
}

}  // namespace

void write_artifact(const std::string& path, const ServedSpec& spec, const NamedTensors& weights,
                    bool with_plugins) {
    Metadata metadata = {{"format", "pt"},
                         {version_key, AILAB_VERSION},
                         {spec_key, to_json(to_node(spec))},
                         {checksum_key, no_checksum}};
    NamedTensors tensors = weights;
    note_aliases(weights, metadata);
    if (with_plugins)
        for (const LoadedPlugin& plugin : PluginHost::instance().loaded())
            if (!plugin.builtin)
                tensors.emplace_back(plugin_prefix + fs::path(plugin.path).filename().string(),
                                     bytes_of(plugin.path));
    write_safetensors(path, tensors, metadata);
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

ServedSpec read_artifact_spec(const std::string& path) {
    check_checksum(path);
    const InputFile file(path);
    const std::string header = read_header(file);
    const Metadata metadata =
        parse_header(header.substr(sizeof(uint64_t)), file.size() - header.size(), path).metadata;
    return spec_from(parse_spec(metadata, path), path);
}

std::unique_ptr<ServedModel> open_artifact(const std::string& path,
                                           const PredictorOptions& options) {
    check_checksum(path);
    Metadata metadata;
    NamedTensors tensors = read_safetensors(path, &metadata);
    restore_aliases(tensors, metadata);
    NamedTensors weights;
    std::map<std::string, at::Tensor> plugins;
    const size_t prefix = std::strlen(plugin_prefix);
    for (auto& [name, tensor] : tensors)
        if (is_plugin_record(name))
            plugins[name.substr(prefix)] = tensor;
        else
            weights.emplace_back(name, tensor);
    const Node node = parse_spec(metadata, path);
    ServedSpec spec = spec_from(node, path);
    load_plugins(path, spec, plugins, options);
    auto model = std::make_unique<ServedModel>(std::move(spec), options.device);
    copy_weights(model->model(), weights, path);
    return model;
}

}  // namespace ailab
