#pragma once
// The records of TensorBoard's HParams plugin: tensorboard/plugins/hparams/{plugin_data,api}.proto.
#include <string>
#include <utility>
#include <vector>

#include "ailab/node.hpp"
#include "ailab/support/protobuf.hpp"

namespace ailab::tensorboard {

/// The scalars of a configuration by their dotted paths: "optimizer.lr". A list of scalars is one
/// value; other lists count their items ("workflow.0.phase"). Nulls are left out. What was written
/// with `${…}` stays as it was written, so that no secret of the environment gets into the file.
std::vector<std::pair<std::string, Node>> flatten(const Node& config);

/// The record that makes a run a row of the table. There is no record of the experiment, which
/// would list the columns: TensorBoard takes the first that it finds for all runs of a folder, so
/// runs with other keys would lose theirs. Without one the columns are those of all runs, and the
/// metrics all scalars, each with its last value.
wire::Message session_start(const Node& config, double time);
/// The run ended well.
wire::Message session_end(double time);

}  // namespace ailab::tensorboard
