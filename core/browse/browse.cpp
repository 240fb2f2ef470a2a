#include "browse.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ailab/image.hpp"
#include "ailab/task.hpp"
#include "checkpoint/safetensors.hpp"
#include "contact_sheet.hpp"
#include "data/batch_builder.hpp"
#include "host/threads.hpp"
#include "log/result_stream.hpp"
#include "modules/fields.hpp"
#include "run/choose.hpp"
#include "run/phase_data.hpp"
#include "task/choose_task.hpp"

namespace ailab {
namespace {

constexpr int64_t pairs_a_row = 4;
constexpr int64_t largest_shown = 256;

/// Sample i of a batch.
Sample sample_of(const Batch& batch, int64_t i) {
    Sample sample;
    for (const auto& [name, field] : batch.fields) {
        // What is concatenated has no place for each sample.
        if (const auto* tensor = std::get_if<Tensor>(&field)) {
            if (tensor->dim() > 0 && tensor->size(0) == batch.size)
                sample.set(name, tensor->select(0, i));
        } else if (const auto* list = std::get_if<std::vector<Tensor>>(&field)) {
            sample.set(name, list->at(size_t(i)));
        } else {
            sample.set(name, std::get<std::vector<std::string>>(field).at(size_t(i)));
        }
    }
    return sample;
}

/// What draws and names the samples: the configuration's task, else that for its loss.
std::shared_ptr<const Task> task_of(const RunConfig& config, const Dataset& dataset) {
    TaskContext context;
    context.class_names = dataset.class_names();
    context.config = config.resolved;
    if (!config.task && config.loss) context.output_kind = config.loss.create()->output_kind();
    return choose_task(config.task ? config.task.config.write() : Node(), std::move(context)).task;
}

class Browser {
  public:
    Browser(const ConfigInput& input, const BrowseRequest& request)
        : request_(request), config_(load_config(input)) {
        config_.workflow = {WorkflowStep{.phase = request.phase}};
        const ModuleSpec<Dataset>& wanted = request.phase == "train" ? config_.data.train
                                            : request.phase == "val" ? config_.data.val
                                                                     : config_.data.test;
        if (!wanted)
            throw ConfigError({{place_of(config_.source, "data"),
                                concat("there is no data.", request.phase, " to browse")}});
        const RankInfo alone;
        job_ = Job::start(alone, "env://", config_.dist.timeout);
        device_ = choose_device(config_, alone);
        const int64_t batch = config_.data.train ? global_batch_size(config_, 1) : 0;
        std::vector<std::string> notes;
        data_ = make_phase_data(phases_of(config_).at(0),
                                {config_, *job_, *device_.device, at::kCPU,
                                 plan_threads(alone, int(config_.runtime.threads)), batch},
                                /*channels_last=*/false, notes);
        task_ = task_of(config_, dataset());
    }

    void run() {
        request_.sample ? replay(*request_.sample) : show_first();
        const std::string png = encode_png(sheet_.draw());
        std::ofstream file(request_.output, std::ios::binary);
        file.write(png.data(), std::streamsize(png.size()));
        if (!file.flush())
            throw Error(concat("cannot write ", request_.output, ": ", std::strerror(errno)));
        std::fprintf(result_stream(), "%s\n", request_.output.c_str());
    }

  private:
    const Dataset& dataset() const { return *data_.dataset; }

    SampleContext context(const SampleNumber& sample) const {
        SampleContext context = data_.loader->options().context;
        context.epoch = sample.epoch;
        context.tolerant = data_.loader->options().skip_broken;
        return context;
    }

    void show(int64_t id, const SampleContext& context, const Sample& after) {
        Sample sample = get_sample(dataset(), id, context.inside(), data_.loader->options().specs);
        sample.decode();
        const Tensor read = image_in(sample), fed = image_in(after);
        if (!read.defined() || !fed.defined())
            throw Error(concat("sample ", id,
                               " holds no image: a field that the data set declares as one, or "
                               "\"image\" or \"input\", of [1 or 3, H, W]"));
        const std::string name = dataset().sample_name(id), label = task_->caption(after);
        sheet_.add(drawn(*task_, read, sample), concat(id, ": ", task_->caption(sample)));
        sheet_.add(drawn(*task_, fed, after), "> " + label);
        std::fprintf(result_stream(), "%lld\t%s\t%s\n", static_cast<long long>(id), label.c_str(),
                     name.c_str());
    }

    /// As the loader gives them, transforms of whole batches and all.
    void show_first() {
        int64_t left = std::min(request_.count, data_.loader->plan().samples);
        while (left > 0) {
            const Batch batch = data_.loader->next();
            for (int64_t i = 0; i < std::min(batch.size, left); ++i)
                show(batch.ids[size_t(i)], context({0, 0}), sample_of(batch, i));
            left -= std::max<int64_t>(1, batch.size);
        }
    }

    /// The very numbers that an epoch's batch has of one sample, but for what is mixed into it from
    /// others.
    void replay(const SampleNumber& number) {
        if (number.index < 0 || number.index >= dataset().size())
            throw ConfigError(concat("--sample ", number.epoch, ":", number.index,
                                     ": samples are numbered 0 … ", dataset().size() - 1));
        Batch batch;
        BatchBuilder builder(data_.loader->options(), batch, 1);
        builder.add(number.index, context(number));
        builder.finish();
        const Sample sample = sample_of(batch, 0);
        show(number.index, context(number), sample);
        NamedTensors exact;
        for (const auto& [name, field] : sample.fields)
            if (const auto* tensor = std::get_if<Tensor>(&field))
                exact.emplace_back(name, tensor->contiguous());
        const std::string path = request_.output + ".safetensors";
        std::filesystem::remove(path);  // of an earlier call
        write_safetensors(path, exact);
        std::fprintf(result_stream(), "%s\n", path.c_str());
        if (data_.loader->options().batch_transform)
            std::fprintf(result_stream(),
                         "(without the transform of whole batches, which needs the batch)\n");
    }

    const BrowseRequest& request_;
    RunConfig config_;
    std::shared_ptr<Job> job_;
    ChosenDevice device_;
    PhaseData data_;
    std::shared_ptr<const Task> task_;
    ContactSheet sheet_{2 * pairs_a_row, largest_shown};
};

}  // namespace

void browse(const ConfigInput& input, const BrowseRequest& request) {
    Browser(input, request).run();
}

}  // namespace ailab
