#pragma once
// Which task a run or a served model has.
#include <functional>
#include <memory>
#include <optional>

#include "ailab/loss.hpp"
#include "ailab/task.hpp"
#include "schema/run_config.hpp"

namespace ailab {

struct ChosenTask {
    std::shared_ptr<Task> task;
    /// The module, {type: …}; null for one of which nothing is known, whose outputs are taken as
    /// they are.
    Node module;
    bool is_known() const { return !module.is_null(); }
};

/// `given` ({type: …}, from a configuration, a checkpoint or an artifact), or by default the one
/// for what the outputs stand for (context.output_kind), if that is known. Loads its plugin. Throws
/// ConfigError for a module that does not exist.
ChosenTask choose_task(const Node& given, TaskContext context);

/// The task of a configuration: its own, else what the weights were trained for (see
/// trained_task()), else that for what the loss tells. Where it does not tell, who is trained on
/// the numbers of classes (`on_class_numbers`) gives scores of classes. `loss` may be null.
ChosenTask choose_task(const RunConfig& config, const Loss* loss, const Model& model,
                       const Node& trained, const std::function<bool()>& on_class_numbers,
                       std::vector<std::string> class_names);

/// Whether a sample's target is the number of a class.
bool is_class_number(const Sample& sample);

/// Both ways of OutputKind's names: "class_scores", "label_scores", "label_probabilities",
/// "values".
const char* name_of(OutputKind kind);
std::optional<OutputKind> kind_named(const std::string& name);
std::vector<std::string> output_kind_names();

}  // namespace ailab
