#include "browse.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ailab/image.hpp"
#include "ailab/number_text.hpp"
#include "checkpoint/safetensors.hpp"
#include "contact_sheet.hpp"
#include "data/batch_builder.hpp"
#include "host/threads.hpp"
#include "log/result_stream.hpp"
#include "run/choose.hpp"
#include "run/phase_data.hpp"

namespace ailab {
namespace {

constexpr int64_t pairs_a_row = 4;
constexpr int64_t largest_shown = 256;

bool is_image(const Tensor& tensor) {
    return tensor.defined() && tensor.dim() == 3 && tensor.numel() > 0 &&
           (tensor.size(0) == 1 || tensor.size(0) == 3);
}

/// The image of a sample: its field `input` or `image`, or undefined.
template <class Fields>
Tensor image_in(const Fields& fields) {
    for (const char* name : {"input", "image"}) {
        const auto found = fields.find(name);
        if (found == fields.end()) continue;
        if (const auto* tensor = std::get_if<Tensor>(&found->second)) return *tensor;
    }
    return {};
}

std::string class_name(const Dataset& dataset, int64_t label) {
    const std::vector<std::string> names = dataset.class_names();
    const bool known = label >= 0 && label < int64_t(names.size());
    return known ? concat(label, " ", names[size_t(label)]) : concat(label);
}

/// A number is a class; a vector of shares, as Mixup makes them, the classes it holds.
std::string label_text(const Dataset& dataset, const Tensor& label) {
    if (label.numel() == 1 && !label.is_floating_point())
        return class_name(dataset, label.item<int64_t>());
    if (label.dim() != 1 || !label.is_floating_point()) return "";
    std::vector<std::string> parts;
    for (int64_t i = 0; i < label.numel(); ++i) {
        const double share = label[i].item<double>();
        if (share > 0.005)
            parts.push_back(concat(fixed_text(share, 2), " ", class_name(dataset, i)));
    }
    return join(parts);
}

template <class Fields>
std::string label_in(const Dataset& dataset, const Fields& fields) {
    for (const char* name : {"label", "target"}) {
        const auto found = fields.find(name);
        if (found == fields.end()) continue;
        if (const auto* tensor = std::get_if<Tensor>(&found->second))
            return label_text(dataset, *tensor);
    }
    return "";
}

/// Sample i of a batch.
std::map<std::string, BatchField> sample_of(const Batch& batch, int64_t i) {
    std::map<std::string, BatchField> fields;
    for (const auto& [name, field] : batch.fields)
        // What is concatenated has no place for each sample.
        if (const auto* tensor = std::get_if<Tensor>(&field);
            tensor && tensor->dim() > 0 && tensor->size(0) == batch.size)
            fields[name] = tensor->select(0, i);
    return fields;
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
        const Placement alone;
        job_ = Job::start(alone, "env://", config_.dist.timeout);
        device_ = choose_device(config_, alone);
        const int64_t batch = config_.data.train ? global_batch_size(config_, 1) : 0;
        std::vector<std::string> notes;
        data_ = make_phase_data(phases_of(config_).at(0),
                                {config_, *job_, *device_.device, at::kCPU,
                                 plan_threads(alone, int(config_.runtime.threads)), batch},
                                /*channels_last=*/false, notes);
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

    void show(int64_t id, const SampleContext& context, const Tensor& after,
              const std::string& label) {
        Sample sample = dataset().get(id, context.inside());
        sample.decode();
        const Tensor before = image_in(sample.fields);
        if (!is_image(before) || !is_image(after))
            throw Error(concat("sample ", id,
                               " holds no image: a field \"input\" or \"image\" of "
                               "[1 or 3, H, W]"));
        const std::string name = dataset().sample_name(id);
        sheet_.add(before, concat(id, ": ", label_in(dataset(), sample.fields)));
        sheet_.add(after, "> " + label);
        std::fprintf(result_stream(), "%lld\t%s\t%s\n", static_cast<long long>(id), label.c_str(),
                     name.c_str());
    }

    /// As the loader deals them, transforms of whole batches and all.
    void show_first() {
        int64_t left = std::min(request_.count, data_.loader->plan().samples);
        while (left > 0) {
            const Batch batch = data_.loader->next();
            for (int64_t i = 0; i < std::min(batch.size, left); ++i) {
                const auto fields = sample_of(batch, i);
                show(batch.ids[size_t(i)], context({0, 0}), image_in(fields),
                     label_in(dataset(), fields));
            }
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
        const auto fields = sample_of(batch, 0);
        show(number.index, context(number), image_in(fields), label_in(dataset(), fields));
        NamedTensors exact;
        for (const auto& [name, field] : fields)
            exact.emplace_back(name, std::get<Tensor>(field).contiguous());
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
    ContactSheet sheet_{2 * pairs_a_row, largest_shown};
};

}  // namespace

void browse(const ConfigInput& input, const BrowseRequest& request) {
    Browser(input, request).run();
}

}  // namespace ailab
