#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "checkpoint/safetensors.hpp"
#include "serve/served_model.hpp"

namespace ailab {

/// [N, …] -> the first output, by what a file holds.
using Reader = std::function<at::Tensor(const at::Tensor& input)>;

/// One form of a model in a file.
struct ExportFormat {
    std::string name;
    /// Largest difference from the live model's outputs, relative to the largest of them.
    double tolerance;
    /// Writes the new file `path`. `example` is a batch of real samples, [N, …]. Returns what other
    /// samples may not find in it (a branch on values), or "".
    std::function<std::string(ServedModel& model, const at::Tensor& example,
                              const std::string& path)>
        write;
    /// Reads it again, as far from how it was written as can be.
    std::function<Reader(const ServedModel& model, const std::string& path)> read;
    /// Of a file that is a model's weights alone, which a model of any inputs has: throws Error
    /// where the file's are not the model's.
    std::function<void(ServedModel& model, const std::string& path)> check_weights = {};
};

ExportFormat safetensors_format();
ExportFormat pth_format();
ExportFormat torchscript_format();
ExportFormat onnx_format();
ExportFormat artifact_format(bool with_plugins);

}  // namespace ailab
