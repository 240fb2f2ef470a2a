#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include "ailab/ailab.hpp"

namespace ailab::exporters {
namespace {

class TorchScript final : public Exporter {
  public:
    double tolerance() const override { return 1e-5; }

    std::string write(TrainedModel& model, const Tensor& example,
                      const std::string& path) const override {
        std::string doubt;
        const TracedModel traced = model.trace(example, doubt);
        const torch::jit::ExtraFilesMap extra = {{"ailab.json", model.description()}};
        NewModelFile file(path);
        torch::jit::ExportModule(traced.module, file.writer(), extra);
        file.finish();
        return doubt;
    }

    TrainedModel::Forward read(const TrainedModel&, const std::string& path) const override {
        torch::jit::Module module = torch::jit::load(path);
        module.eval();
        return [module](const Tensor& input) mutable {
            const at::NoGradGuard no_grad;
            const c10::IValue result = module.forward({input});
            return result.isTuple() ? result.toTupleRef().elements()[0].toTensor()
                                    : result.toTensor();
        };
    }
};

}  // namespace

AILAB_REGISTER_EXPORTER(TorchScript, "torchscript", "the model's graph, for LibTorch and Python")

}  // namespace ailab::exporters
