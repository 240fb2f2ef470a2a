#include <ATen/ATen.h>

#include <cstdio>
#include <ctime>
#include <filesystem>

#include "ailab/error.hpp"
#include "ailab/options.hpp"
#include "ailab/support/number_text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"
#include "checkpoint/state_files.hpp"
#include "checkpoint/weights_file.hpp"
#include "config/formats.hpp"
#include "host/error_context.hpp"
#include "pth/pickle_values.hpp"
#include "report/text_table.hpp"
#include "serve/artifact.hpp"
#include "serve/artifact_signature.hpp"
#include "tools.hpp"
#include "work_dir/checkpoint_choice.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

std::string megabytes(uint64_t bytes) {
    return concat(fixed_text(double(bytes) / 1e6, 2), " MB");
}

/// What is said of a file or folder: facts, and its tensors.
struct Inspection {
    struct Fact {
        std::string name, text;
        Node value;  // in JSON: a number where it is one
    };
    std::vector<Fact> facts;
    NamedTensors weights;
    Metadata aliases;  // names of tensors that another name has too
    bool damaged = false;

    void add(const std::string& name, const std::string& text) {
        facts.push_back({name, text, Node::string(text)});
    }
    void add(const std::string& name, const std::string& text, Node value) {
        facts.push_back({name, text, std::move(value)});
    }
    void add_size(const std::string& name, uint64_t bytes) {
        add(name, megabytes(bytes), Node(int64_t(bytes)));
    }
    void add_damage(const std::string& name, const std::string& what) {
        damaged = true;
        add(name, what);
    }
};

std::string fact_text(const Node& value) {
    return value.is_string() ? value.as_string() : value.flow();
}

/// What can be told of a damaged folder is told.
void inspect_folder(const std::string& path, Inspection& result) {
    try {
        result.weights =
            read_safetensors((fs::path(path) / checkpoint_file::model).string(), &result.aliases);
    } catch (const Error& error) {
        result.add_damage("weights", error.what());
    }
    Manifest manifest;
    try {
        manifest = read_manifest(path);
    } catch (const Error& error) {
        result.add_damage("valid", concat("no: ", error.what()));
        return;
    }
    try {
        validate_checkpoint(path);
        const std::string note = manifest.age_note();
        result.add("valid", note.empty() ? "yes: every byte is as it was written"
                                         : concat("its files are as its manifest says; ", note));
    } catch (const Error& error) {
        result.add_damage("valid", concat("no: ", error.what()));
    }
    result.add("format", concat(manifest.format), Node(int64_t(manifest.format)));
    for (const char* name : {"model", "epoch", "step", "run_dir", "exported_by"})
        if (const Node* value = manifest.facts.find(name))
            result.add(name, fact_text(*value), Node(value->value));
    if (const Node* saved = manifest.facts.find("saved_at"); saved && saved->is_int()) {
        const time_t at = saved->as_int();
        tm local{};
        char text[64];
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &local));
        result.add("saved_at", text);
    }
    result.add("ranks", concat(manifest.world_size), Node(int64_t(manifest.world_size)));
    for (const auto& [name, digest] : manifest.files) result.add_size(name, digest.size);
}

void inspect_artifact(const std::string& path, const std::string& public_key, Inspection& result) {
    const Artifact artifact = read_artifact(path);
    if (!public_key.empty()) verify_artifact(artifact, public_key);
    const ServedSpec spec = artifact.spec();
    result.add("valid", "yes: its checksum is right");
    const std::string signer = printable(signer_of(artifact));
    result.add("signed",
               signer.empty() ? "no"
               : public_key.empty()
                   ? concat("it says so, by the key ", signer, "; --public-key FILE checks it")
                   : concat("yes, by the key ", signer, " of ", public_key));
    result.add("artifact of", spec.model.flow());
    result.add("input",
               concat(spec.input, " [N, ", c10::str(at::IntArrayRef(spec.input_shape)).substr(1)));
    result.add("classes", spec.classes.empty() ? "unnamed" : join(spec.classes));
    for (const ServedPlugin& plugin : spec.plugins)
        if (!plugin.builtin)
            result.add("plugin", concat(plugin.name, " ", plugin.version, " (", plugin.file,
                                        ", build ", plugin.build_id.substr(0, 12), ")"));
    result.weights = artifact.weights();
}

void inspect(const std::string& given, const ToolRequest& request, Inspection& result) {
    if (is_artifact(given)) return inspect_artifact(given, request.public_key, result);
    if (!request.public_key.empty())
        throw ConfigError(concat(given, " is no artifact; --public-key is for those"));
    const std::string path = find_checkpoint_of(given, request.work_dir);
    result.add("path", path);
    if (fs::is_directory(path)) return inspect_folder(path, result);
    const WeightsFile file = read_weights_file(path);
    result.add_size("size", fs::file_size(path));
    if (!file.key.empty()) result.add("weights under", file.key);
    if (!file.prefix.empty()) result.add("prefix of all names", file.prefix);
    for (const std::string& other : file.left_out) result.add("beside tensors", other);
    result.weights = file.tensors;
    result.aliases = file.metadata;
}

std::string shape_text(const at::Tensor& tensor) {
    return c10::str(tensor.sizes());
}

}  // namespace

ToolOutput inspect_checkpoint(const ToolRequest& request) {
    std::string text;
    bool failed = false;
    Node all = Node::list();
    for (const std::string& path : request.paths) {
        Inspection found;
        try {
            inspect(path, request, found);
        } catch (const std::exception& error) {
            found.add_damage("error", short_message(error));
        }
        failed = failed || found.damaged;
        int64_t parameters = 0;
        TextTable tensors({"tensor", "shape", "type"});
        Node list = Node::list();
        for (const auto& [name, tensor] : found.weights) {
            if (!found.aliases.count(name)) parameters += tensor.numel();
            tensors.add({name, shape_text(tensor), c10::toString(tensor.scalar_type())});
            Node node = Node::map();
            node.set("name", Node::string(name));
            node.set("shape", OptionType<std::vector<int64_t>>::write(tensor.sizes().vec()));
            node.set("type", Node::string(c10::toString(tensor.scalar_type())));
            list.items().push_back(std::move(node));
        }
        Node one = Node::map();
        one.set("given", Node::string(path));
        text += path + "\n";
        for (const auto& [name, shown, value] : found.facts) {
            text += concat("  ", name, ": ", shown, "\n");
            one.set(name, value);
        }
        if (!found.weights.empty())
            text += concat("  weights: ", found.weights.size(), " tensors, ", parameters,
                           " numbers\n\n", tensors.str());
        one.set("tensors", std::move(list));
        all.items().push_back(std::move(one));
    }
    return {request.json ? to_json(all, 2) + "\n" : text, failed};
}

}  // namespace ailab
