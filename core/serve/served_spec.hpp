#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ailab/model.hpp"
#include "task/choose_task.hpp"
#include "validation_data.hpp"

namespace ailab {

/// A plugin that a model's modules come from.
struct ServedPlugin {
    std::string name;
    std::string version;
    std::string build_id;
    std::string file;  // its name, without folders
    bool builtin = false;
    std::string sha256 = {};  // of the file, in hex; "" if unknown
};

/// Everything beside the weights that serving a trained model takes: what an artifact stores.
struct ServedSpec {
    Node model = Node::map();       // {type: …}, as in a configuration
    std::string dtype = "float32";  // or float64
    bool channels_last = true;
    std::optional<at::ScalarType> autocast;   // what it was validated with
    std::vector<std::string> classes;         // their names, if known
    std::optional<int64_t> numbered_classes;  // how many, if they were trained as numbers
    std::optional<OutputKind> output;         // what the model's first output stands for, if known
    Node task;                                // {type: …}; null: that for `output`
    std::vector<int64_t> input_shape;         // of one sample, without the batch; empty: unknown
    std::string input = "input";              // the field of a sample that input_shape is of
    /// What the data feed: integers as they are (bytes of pixels, tokens), floats as `dtype`.
    std::optional<at::ScalarType> input_integers;
    std::optional<ImageInput> image;  // how image files are read; its transforms are all
    std::vector<ServedPlugin> plugins;
    Node config = Node::map();  // of the training, for who wants to know
};

/// What a configuration, its model, its validation data and its checkpoint (which knows the
/// classes' names) say of what the model is fed. Throws Error.
ServedSpec spec_of(const RunConfig& config, const Model& model, const ValidationData& data,
                   const std::string& checkpoint);

/// What the predictions of a model are. Throws ConfigError for a task that does not exist.
std::shared_ptr<const Task> task_of(const ServedSpec& spec);

/// Throws ConfigError for a model of several inputs: who serves it would have to feed them all.
void check_one_input(const RunConfig& config, const Model& model);

/// Of weights and floats.
at::ScalarType scalar_type(const ServedSpec& spec);
/// Of what the model is fed.
at::ScalarType input_type(const ServedSpec& spec);

Node to_node(const ServedSpec& spec);
/// The reverse. Throws Error that begins with `source`.
ServedSpec spec_from(const Node& node, const std::string& source);

}  // namespace ailab
