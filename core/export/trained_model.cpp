#include "trained_model.hpp"

#include <ATen/ATen.h>

#include <map>

#include "checkpoint/safetensors.hpp"
#include "config/formats.hpp"
#include "files/durable_file.hpp"
#include "serve/artifact.hpp"
#include "serve/value_reads.hpp"
#include "weights/load_weights.hpp"

namespace ailab {

// ---- the SDK's part

TrainedModel::~TrainedModel() = default;
Exporter::~Exporter() = default;

TrainedModel::Forward Exporter::read(const TrainedModel&, const std::string&) const {
    return {};
}

void Exporter::check_weights(const TrainedModel& model, const std::string& path) const {
    model.check_weights(path);
}

struct NewModelFile::Impl {
    explicit Impl(const std::string& path) : file(path) {}
    DurableFile file;
    std::exception_ptr failed;
};

NewModelFile::NewModelFile(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
NewModelFile::~NewModelFile() = default;

void NewModelFile::write(const void* bytes, size_t size) {
    impl_->file.write(bytes, size);
}

std::function<size_t(const void*, size_t)> NewModelFile::writer() {
    return [this](const void* bytes, size_t size) {
        try {
            if (!impl_->failed) impl_->file.write(bytes, size);
        } catch (...) {
            impl_->failed = std::current_exception();
        }
        return size;
    };
}

void NewModelFile::finish() {
    if (impl_->failed) std::rethrow_exception(impl_->failed);
    impl_->file.finish();
}

// ---- the model

namespace {

/// A fresh model with the weights of a file.
std::shared_ptr<ServedModel> with_weights(const ServedModel& model, const std::string& path) {
    auto fresh = std::make_shared<ServedModel>(model.spec());
    const LoadedWeights loaded = load_weights(fresh->model(), path);
    if (!loaded.unmatched.empty()) throw Error(describe_unmatched(loaded));
    return fresh;
}

/// NaN is as it was too.
bool is_same(const Tensor& a, const Tensor& b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
           (a.eq(b).logical_or(a.ne(a).logical_and(b.ne(b)))).all().item<bool>();
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> ServedAsTrained::weights() const {
    return weights_of(model_.model());
}

std::string ServedAsTrained::description() const {
    return to_json(to_node(model_.spec()));
}

TracedModel ServedAsTrained::trace(const Tensor& example, std::string& doubt) {
    const ValueReads reads;
    TracedModel traced = trace_model(model_.model(), model_.model_inputs(example));
    doubt = reads.warning();
    return traced;
}

void ServedAsTrained::write_safetensors(const std::string& path) const {
    const NamedTensors weights = weights_of(model_.model());
    Metadata metadata = {{"format", "pt"}, {"ailab.spec", description()}};
    note_aliases(weights, metadata);
    ailab::write_safetensors(path, weights, metadata);
}

void ServedAsTrained::write_artifact(const std::string& path, bool with_plugins) const {
    ailab::write_artifact(path, model_.spec(), weights_of(model_.model()), with_plugins);
}

TrainedModel::Forward ServedAsTrained::read_weights(const std::string& path) const {
    const std::shared_ptr<ServedModel> fresh = with_weights(model_, path);
    return [fresh](const Tensor& input) { return fresh->forward(input); };
}

TrainedModel::Forward ServedAsTrained::read_artifact(const std::string& path) const {
    const std::shared_ptr<ServedModel> opened = open_artifact(path, {});
    return [opened](const Tensor& input) { return opened->forward(input); };
}

void ServedAsTrained::check_weights(const std::string& path) const {
    const std::shared_ptr<ServedModel> fresh = with_weights(model_, path);
    std::map<std::string, Tensor> read;
    for (const auto& [name, tensor] : weights_of(fresh->model())) read.emplace(name, tensor);
    for (const auto& [name, tensor] : weights_of(model_.model()))
        if (const auto found = read.find(name);
            found == read.end() || !is_same(found->second, tensor))
            throw Error(concat(path, ": \"", name, "\" does not read back as it is in the model"));
}

}  // namespace ailab
