#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include "archive_file.hpp"
#include "config/formats.hpp"
#include "export_format.hpp"
#include "export_trace.hpp"

namespace ailab {
namespace {

std::string write_torchscript(ServedModel& model, const at::Tensor& example,
                              const std::string& path) {
    std::string doubt;
    const TracedModel traced = trace_for_export(model, example, doubt);
    const torch::jit::ExtraFilesMap extra = {{"ailab.json", to_json(to_node(model.spec()))}};
    ArchiveFile file(path);
    torch::jit::ExportModule(traced.module, file.writer(), extra);
    file.finish();
    return doubt;
}

Reader read(const ServedModel&, const std::string& path) {
    torch::jit::Module module = torch::jit::load(path);
    module.eval();
    return [module](const at::Tensor& input) mutable {
        const at::NoGradGuard no_grad;
        const c10::IValue result = module.forward({input});
        return result.isTuple() ? result.toTupleRef().elements()[0].toTensor() : result.toTensor();
    };
}

}  // namespace

ExportFormat torchscript_format() {
    return {"torchscript", 1e-5, write_torchscript, read};
}

}  // namespace ailab
