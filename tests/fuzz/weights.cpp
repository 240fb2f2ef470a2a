// Files of weights and checkpoints: safetensors, torch.save's, artifacts, manifests, ONNX.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "ailab/support/crc32c.hpp"
#include "checkpoint/manifest.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "checkpoint/weights_file.hpp"
#include "config/formats.hpp"
#include "core/pth/pth_target.hpp"
#include "onnx/reader.hpp"
#include "serve/artifact.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

/// Where the text between the quotes behind `before` begins, or npos.
size_t digits_behind(const std::string& text, const std::string& before) {
    const size_t at = text.find(before);
    return at == text.npos || at + before.size() + 8 > text.size() ? text.npos : at + before.size();
}

/// A file that holds the checksum of itself: eight digits, taken as zeros.
void repair_checksum(std::string& file, const std::string& before) {
    const size_t digits = digits_behind(file, before);
    if (digits == file.npos) return;
    file.replace(digits, 8, "00000000");
    char text[9];
    std::snprintf(text, sizeof text, "%08x", crc32c(file.data(), file.size()));
    file.replace(digits, 8, text);
}

// ---- safetensors

void safetensors(const std::string& input) {
    Metadata metadata;
    NamedTensors tensors = read_safetensors(as_file(input), &metadata);
    restore_aliases(tensors, metadata);
    for (const auto& [name, tensor] : tensors) tensor.clone();
}

/// The length of the header up to the bracket that closes it.
void repair_safetensors(std::string& input) {
    if (input.size() < 9) return;
    int depth = 0;
    uint64_t length = 0;
    for (size_t i = 8; i < input.size() && length == 0; ++i) {
        depth += input[i] == '{' ? 1 : input[i] == '}' ? -1 : 0;
        if (depth <= 0 && i > 8) length = i + 1 - 8;
    }
    while (length > 0 && 8 + length < input.size() && input[8 + length] == ' ') ++length;
    if (length > 0) std::memcpy(input.data(), &length, sizeof length);
}

// ---- torch.save

/// The first byte says what the rest is: a whole file, or the pickle of a file that is otherwise
/// right.
void pth(const std::string& input) {
    static const std::vector<test::PthSeed> seeds = test::pth_seeds();
    if (input.empty()) return;
    const size_t kind = uint8_t(input[0]) % (seeds.size() + 1);
    const std::string rest = input.substr(1);
    test::read_pth_to_the_end(as_file(kind == 0 ? rest : seeds[kind - 1].file(rest)));
}

std::string change_pth(const std::string& input, unsigned seed) {
    std::mt19937_64 random(seed);
    return input.empty() ? input : input[0] + test::mutate_bytes(input.substr(1), random);
}

std::vector<std::string> pth_inputs() {
    std::vector<std::string> inputs;
    const std::vector<test::PthSeed> seeds = test::pth_seeds();
    for (size_t i = 0; i < seeds.size(); ++i) {
        inputs.push_back('\0' + seeds[i].file(seeds[i].pickle));
        inputs.push_back(char(i + 1) + seeds[i].pickle);
    }
    return inputs;
}

// ---- artifacts

/// What an artifact says of itself. Its weights are a safetensors file, and its plugins are not
/// run.
void artifact(const std::string& input) {
    const ServedSpec spec = read_artifact_spec(as_file(input));
    to_json(to_node(spec));
}

void repair_artifact(std::string& input) {
    repair_safetensors(input);
    repair_checksum(input, "\"ailab.crc32c\":\"");
}

// ---- manifests

void manifest(const std::string& input) {
    const Manifest read = read_manifest(in_folder("manifest.json", input));
    read.age_note();
    encode_manifest(read);
}

void repair_manifest(std::string& input) {
    repair_checksum(input, "\"manifest_crc32c\": \"");
}

// ---- ONNX

void onnx(const std::string& input) {
    const onnx::LoadedGraph graph(as_file(input));
}

const Registration safetensors_target({.name = "safetensors",
                                       .run = safetensors,
                                       .repair = repair_safetensors});
const Registration pth_registered(
    {.name = "pth", .run = pth, .change = change_pth, .seeds = pth_inputs});
const Registration artifact_target({.name = "artifact",
                                    .run = artifact,
                                    .repair = repair_artifact});
const Registration manifest_target({.name = "manifest",
                                    .run = manifest,
                                    .repair = repair_manifest});
const Registration onnx_target({.name = "onnx", .run = onnx});

}  // namespace
}  // namespace ailab::fuzz
