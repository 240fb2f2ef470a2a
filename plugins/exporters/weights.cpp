// The forms that are a model's weights, for programs that have the model themselves.
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include "ailab/ailab.hpp"

namespace ailab::exporters {
namespace {

/// torch.save() of a state_dict, as torch.load(weights_only=True) takes it: PyTorch's zip file with
/// a pickle of a plain dict, whose tensors' bytes are records of their own.
void write_pth_file(const TrainedModel& model, const std::string& path) {
    c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
    // A pickle's tensor is a view of a storage, all of which is written: each gets one of its size.
    for (const auto& [name, tensor] : model.weights())
        dict.insert(name, tensor.cpu().resolve_neg().clone(at::MemoryFormat::Contiguous));
    std::string pickle;
    torch::jit::Pickler pickler([&](const char* bytes, size_t size) { pickle.append(bytes, size); },
                                nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
    pickler.protocol();
    pickler.pushIValue(dict);
    pickler.stop();

    NewModelFile file(path);
    caffe2::serialize::PyTorchStreamWriter writer(file.writer());
    const auto record = [&](const std::string& name, const void* bytes, size_t size) {
        writer.writeRecord(name, bytes, size);
    };
    const std::string order = "little", spec = model.description();
    record("data.pkl", pickle.data(), pickle.size());
    record("byteorder", order.data(), order.size());
    record("ailab.json", spec.data(), spec.size());
    size_t number = 0;
    for (const Tensor& tensor : pickler.tensorData()) {
        record(concat("data/", number++), tensor.const_data_ptr(), tensor.nbytes());
    }
    writer.writeEndOfFile();
    file.finish();
}

/// Of any inputs, to the bit.
class WeightsExporter : public Exporter {
  public:
    TrainedModel::Forward read(const TrainedModel& model, const std::string& path) const override {
        return model.read_weights(path);
    }
    bool holds_weights_alone() const override { return true; }
};

class Safetensors final : public WeightsExporter {
  public:
    std::string write(TrainedModel& model, const Tensor&, const std::string& path) const override {
        model.write_safetensors(path);
        return "";
    }
};

class Pth final : public WeightsExporter {
  public:
    std::string write(TrainedModel& model, const Tensor&, const std::string& path) const override {
        write_pth_file(model, path);
        return "";
    }
};

}  // namespace

AILAB_REGISTER_EXPORTER(Safetensors, "safetensors", "weights")
AILAB_REGISTER_EXPORTER(Pth, "pth", "a state_dict that torch.load(weights_only=True) takes")

}  // namespace ailab::exporters
