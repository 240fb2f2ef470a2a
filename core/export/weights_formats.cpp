// The forms that are a model's weights, for programs that have the model themselves.
#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include <map>

#include "archive_file.hpp"
#include "config/formats.hpp"
#include "export_format.hpp"
#include "run/load_weights.hpp"
#include "serve/artifact.hpp"

namespace ailab {
namespace {

/// A fresh model with the weights of a file.
std::shared_ptr<ServedModel> with_weights(const ServedModel& model, const std::string& path) {
    auto fresh = std::make_shared<ServedModel>(model.spec());
    const LoadedWeights loaded = load_weights(fresh->model(), path);
    if (!loaded.unmatched.empty()) throw Error(describe_unmatched(loaded));
    return fresh;
}

void check_weights(ServedModel& model, const std::string& path) {
    const std::shared_ptr<ServedModel> fresh = with_weights(model, path);
    std::map<std::string, at::Tensor> read;
    for (const auto& [name, tensor] : weights_of(fresh->model())) read.emplace(name, tensor);
    const auto same = [](const at::Tensor& a, const at::Tensor& b) {
        return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
               (a.eq(b).logical_or(a.ne(a).logical_and(b.ne(b)))).all().item<bool>();
    };
    for (const auto& [name, tensor] : weights_of(model.model()))
        if (const auto found = read.find(name); found == read.end() || !same(found->second, tensor))
            throw Error(concat(path, ": \"", name, "\" does not read back as it is in the model"));
}

Reader read_weights(const ServedModel& model, const std::string& path) {
    const std::shared_ptr<ServedModel> fresh = with_weights(model, path);
    return [fresh](const at::Tensor& input) { return fresh->forward(input); };
}

/// What a program that reads the file may want to know.
Metadata describe(const ServedSpec& spec) {
    return {{"format", "pt"}, {"ailab.spec", to_json(to_node(spec))}};
}

std::string write_safetensors_file(ServedModel& model, const at::Tensor&, const std::string& path) {
    Metadata metadata = describe(model.spec());
    const NamedTensors weights = weights_of(model.model());
    note_aliases(weights, metadata);
    write_safetensors(path, weights, metadata);
    return "";
}

/// torch.save() of a state_dict, as torch.load(weights_only=True) takes it: PyTorch's zip file with
/// a pickle of a plain dict, whose tensors' bytes are records of their own.
std::string write_pth_file(ServedModel& model, const at::Tensor&, const std::string& path) {
    c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
    // A pickle's tensor is a view of a storage, all of which is written: each gets one of its size.
    for (const auto& [name, tensor] : weights_of(model.model()))
        dict.insert(name, tensor.cpu().resolve_neg().clone(at::MemoryFormat::Contiguous));
    std::string pickle;
    torch::jit::Pickler pickler([&](const char* bytes, size_t size) { pickle.append(bytes, size); },
                                nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
    pickler.protocol();
    pickler.pushIValue(dict);
    pickler.stop();

    ArchiveFile file(path);
    caffe2::serialize::PyTorchStreamWriter writer(file.writer());
    const auto record = [&](const std::string& name, const void* bytes, size_t size) {
        writer.writeRecord(name, bytes, size);
    };
    const std::string order = "little", spec = to_json(to_node(model.spec()));
    record("data.pkl", pickle.data(), pickle.size());
    record("byteorder", order.data(), order.size());
    record("ailab.json", spec.data(), spec.size());
    size_t number = 0;
    for (const at::Tensor& tensor : pickler.tensorData()) {
        record(concat("data/", number++), tensor.const_data_ptr(), tensor.nbytes());
    }
    writer.writeEndOfFile();
    file.finish();
    return "";
}

}  // namespace

ExportFormat safetensors_format() {
    return {"safetensors", 0, write_safetensors_file, read_weights, check_weights};
}

ExportFormat pth_format() {
    return {"pth", 0, write_pth_file, read_weights, check_weights};
}

ExportFormat artifact_format(bool with_plugins) {
    const auto write = [with_plugins](ServedModel& model, const at::Tensor&,
                                      const std::string& path) {
        write_artifact(path, model.spec(), weights_of(model.model()), with_plugins);
        return std::string();
    };
    const auto read = [](const ServedModel&, const std::string& path) -> Reader {
        const std::shared_ptr<ServedModel> opened = open_artifact(path, {});
        return [opened](const at::Tensor& input) { return opened->forward(input); };
    };
    return {"artifact", 0, write, read};
}

}  // namespace ailab
