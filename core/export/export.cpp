#include "export.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "ailab/log.hpp"
#include "ailab/support/number_text.hpp"
#include "files/durable_file.hpp"
#include "files/new_file.hpp"
#include "host/error_context.hpp"
#include "host/threads.hpp"
#include "log/result_stream.hpp"
#include "plugin/plugin_host.hpp"
#include "serve/largest_difference.hpp"
#include "trained_model.hpp"
#include "work_dir/checkpoint_choice.hpp"
#include "work_dir/output_place.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// Throws ConfigError, with the nearest name.
std::shared_ptr<Exporter> make_exporter(const ExportRequest& request) {
    const std::vector<std::string> known = export_formats();
    const std::string name = request.format.substr(request.format.find('/') + 1);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
        const std::string near = nearest_name(name, known);
        throw ConfigError(concat("--to ", request.format, " is unknown.",
                                 near.empty() ? "" : concat(" Did you mean ", near, "?"),
                                 " It takes: ", join(known), "."));
    }
    Node module = request.options;
    module.set("type", Node::string(request.format));
    Problems problems;
    const ModuleConfig config = read_module(kind_name<Exporter>, module, "--to", problems);
    problems.check();
    return std::static_pointer_cast<Exporter>(config.create());
}

void check_place(const ExportRequest& request) {
    std::error_code none;
    if (fs::is_directory(request.output, none))
        throw ConfigError(concat(request.output, " is a folder; -o names the file"));
    check_output(request.output, request.force);
    const std::string folder = parent_folder(request.output);
    if (!fs::is_directory(folder, none)) throw ConfigError(concat("there is no folder ", folder));
    if (access(folder.c_str(), W_OK) != 0)
        throw ConfigError(concat("the folder ", folder, " cannot be written to"));
}

constexpr const char* about_batches =
    "A model that branches on values, or computes with its batch's size, has no graph for other "
    "batches: leave that to tensors, as in flatten(1) in place of view({n, a * b})";

/// TorchScript's errors are long, and end with what ATen has said.
std::string last_word(const std::string& text) {
    const std::string before = "RuntimeError: ";
    const size_t at = text.rfind(before);
    const std::string last = at == std::string::npos ? text : text.substr(at + before.size());
    return last.substr(0, last.find('\n'));
}

/// The outputs of what was written. Throws Error where it serves the example's batch alone.
at::Tensor run(const TrainedModel::Forward& reader, const at::Tensor& samples) {
    try {
        return reader(samples);
    } catch (const std::exception& error) {
        throw Error(concat("what was written cannot run a batch of ", samples.size(0), ": ",
                           last_word(short_message(error)), ". ", about_batches));
    }
}

/// The largest difference over the samples, also in batches of other sizes.
double compare(ServedModel& model, const TrainedModel::Forward& reader, const at::Tensor& samples) {
    double largest = 0;
    for (const int64_t size : {samples.size(0), int64_t(1), samples.size(0) / 2}) {
        if (size == 0) continue;
        const at::Tensor some = samples.narrow(0, samples.size(0) - size, size);
        const double difference = largest_difference(run(reader, some), model.forward(some));
        if (!(difference <= largest)) largest = difference;
    }
    return largest;
}

/// Inputs that are like the real ones and yet others: their values in another order, one sample
/// more; for a model that looks at values, larger, smaller and negative ones too.
std::vector<at::Tensor> other_inputs(const at::Tensor& samples, bool looks_at_values) {
    constexpr uint64_t seed = 1;
    const at::Tensor order =
        at::randperm(samples.numel(), at::detail::createCPUGenerator(seed), at::kLong);
    const at::Tensor shuffled = samples.flatten().index_select(0, order).view_as(samples);
    std::vector<at::Tensor> inputs = {at::cat({shuffled, samples.narrow(0, 0, 1)})};
    if (looks_at_values && samples.is_floating_point())
        for (const double factor : {1000.0, 0.001, -1.0, 0.0}) inputs.push_back(shuffled * factor);
    return inputs;
}

/// The largest difference over inputs that the model takes; of numbers that are nan or infinite in
/// both there is none.
double compare_others(ServedModel& model, const TrainedModel::Forward& reader,
                      const std::vector<at::Tensor>& inputs) {
    double largest = 0;
    for (const at::Tensor& input : inputs) {
        at::Tensor wanted;
        try {
            wanted = model.forward(input);
        } catch (const std::exception&) {
            continue;  // it takes real samples alone
        }
        const at::Tensor found = run(reader, input);
        const bool fits = found.sizes() == wanted.sizes();
        const at::Tensor finite = wanted.isfinite().logical_or_(fits ? found.isfinite() : wanted);
        const double difference =
            fits ? largest_difference(found.masked_select(finite), wanted.masked_select(finite))
                 : largest_difference(found, wanted);
        if (!(difference <= largest)) largest = difference;
    }
    return largest;
}

void say_written(const ExportRequest& request, const std::string& finding) {
    std::fprintf(
        result_stream(), "%s (%s, %s MB); %s\n", request.output.c_str(), request.format.c_str(),
        fixed_text(double(fs::file_size(request.output)) / 1e6, 1).c_str(), finding.c_str());
}

/// Of a model that cannot be compared here: `why` not.
void export_weights(TrainedModel& model, const Exporter& exporter, const NewFile& file,
                    const ExportRequest& request, const std::string& why) {
    (void)exporter.write(model, Tensor(), file.path());
    exporter.check_weights(model, file.path());
    file.move_to(request.output);
    say_written(request,
                concat("every tensor reads back as it is; the model, ", why, ", was not compared"));
}

}  // namespace

std::vector<std::string> export_formats() {
    std::vector<std::string> names;
    for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Exporter>))
        names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

void export_model(const ConfigInput& input, const ExportRequest& request) {
    check_place(request);
    keep_threads_to_quota();
    const RunConfig config = load_config(input);
    const std::shared_ptr<const Exporter> exporter = make_exporter(request);
    const std::string checkpoint = choose_checkpoint(request.checkpoint, config.work_dir);
    const ValidationData data(config);
    const std::shared_ptr<Model> made = config.model.create();
    if (!exporter->holds_weights_alone()) check_one_input(config, *made);
    ServedSpec spec = spec_of(config, *made, data, checkpoint);
    // Other systems run the weights' own precision.
    if (spec.autocast && !exporter->keeps_autocast()) {
        std::fprintf(result_stream(), "validated in %s, exported in %s\n",
                     c10::toString(*spec.autocast), spec.dtype.c_str());
        spec.autocast.reset();
    }
    ServedModel model(std::move(spec), "cpu", made);
    std::fprintf(result_stream(), "%s\n", load_trained_weights(model.model(), checkpoint).c_str());
    ServedAsTrained trained(model);
    const NewFile file(request.output);
    if (made->inputs_in(Phase::test).size() > 1)
        return export_weights(trained, *exporter, file, request, "which has several inputs");
    constexpr int64_t sample_count = 8;
    const at::Tensor real =
        data.inputs(model.spec().input, sample_count).to(input_type(model.spec()));
    // One sample more or less is what tells the batch's size from a constant, and 1 from none.
    constexpr int64_t enough = 3;
    const at::Tensor samples =
        real.size(0) < enough ? at::cat({real, real, real}).narrow(0, 0, enough) : real;
    if (exporter->holds_weights_alone() && !model.gives_tensor(samples))
        return export_weights(trained, *exporter, file, request, "whose output is no tensor");
    const std::string doubt = exporter->write(trained, samples, file.path());
    const TrainedModel::Forward reader = exporter->read(trained, file.path());
    if (!reader) {
        if (!doubt.empty()) log_warning(doubt);
        file.move_to(request.output);
        return say_written(request, concat("nothing reads a file of the form ", request.format,
                                           ", so it was not compared with the live model"));
    }
    const double difference = compare(model, reader, samples);
    const std::string finding =
        concat("the largest difference from the live model, over ", real.size(0),
               " real samples, is ", difference, " of the largest output");
    const double tolerance = exporter->tolerance();
    if (!(difference <= tolerance))
        throw Error(concat(request.output, " was not written: ", finding, ", more than ", tolerance,
                           ". ", about_batches));
    const double of_others = compare_others(model, reader, other_inputs(samples, !doubt.empty()));
    if (!(of_others <= tolerance))
        throw Error(concat(request.output,
                           " was not written: on inputs that are no real samples its "
                           "outputs differ from the live model's by ",
                           of_others, " of the largest, more than ", tolerance, ". ",
                           doubt.empty() ? about_batches : doubt));
    if (!doubt.empty()) log_warning(doubt);
    file.move_to(request.output);
    say_written(request, finding);
}

}  // namespace ailab
