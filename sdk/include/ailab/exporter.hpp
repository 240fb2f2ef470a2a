#pragma once
// A form in which `ailab-run export --to NAME` writes a trained model.
//
//     class Plain : public ailab::Exporter {
//       public:
//         std::string write(ailab::TrainedModel& model, const ailab::Tensor&,
//                           const std::string& path) const override {
//             ailab::NewModelFile file(path);
//             for (const auto& [name, tensor] : model.weights())
//                 file.write(ailab::concat(name, " ", tensor.numel(), "\n"));
//             file.finish();
//             return "";
//         }
//     };
//     AILAB_REGISTER_EXPORTER(Plain, "plain", "names and sizes of the weights, a line each")
//
// The core finds the model, its weights and real samples, and gives `path` its name when the file
// is complete.
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ailab/registry.hpp"
#include "ailab/support/trace.hpp"
#include "ailab/task.hpp"

namespace ailab {

/// A model with trained weights, in evaluation mode, on the CPU. Main thread only.
class AILAB_API TrainedModel {
  public:
    /// [N, …] -> the first output, [N, …].
    using Forward = std::function<Tensor(const Tensor& input)>;

    virtual ~TrainedModel();

    virtual Model& model() = 0;
    /// Parameters, then buffers, by name; tied ones under each of their names.
    virtual std::vector<std::pair<std::string, Tensor>> weights() const = 0;
    /// What its predictions are; the names of its classes are in the context.
    virtual const Task& task() const = 0;
    /// All that serving it takes beside the weights (model, input shape, transforms, classes, task,
    /// configuration), as JSON: what the files of the built-in exporters have as `ailab.spec` or
    /// `ailab.json`.
    virtual std::string description() const = 0;
    /// Throws Error for an input of another shape.
    virtual Tensor forward(const Tensor& input) const = 0;
    /// The model's graph, seen with a batch of real samples. `doubt` becomes what the model
    /// computes that no graph can hold, or "".
    virtual TracedModel trace(const Tensor& example, std::string& doubt) = 0;

    /// Writes a new file: weights in the safetensors format, with the description.
    virtual void write_safetensors(const std::string& path) const = 0;
    /// Writes a new file that `infer` and Predictor open, with the user's plugins if wanted.
    virtual void write_artifact(const std::string& path, bool with_plugins) const = 0;
    /// A fresh model with all weights of a file (.safetensors, or of torch.save), or an artifact,
    /// opened. Throws Error where it is none.
    virtual Forward read_weights(const std::string& path) const = 0;
    virtual Forward read_artifact(const std::string& path) const = 0;
    /// Throws Error unless a file of weights holds each of the model's as it is, to the bit.
    virtual void check_weights(const std::string& path) const = 0;
};

/// One form of a model in a file. Main thread only.
class AILAB_API Exporter {
  public:
    virtual ~Exporter();

    /// Writes the new file `path`. `example` is a batch of real samples, [N, …]; undefined for a
    /// model of several inputs (holds_weights_alone()). Returns what other samples may not find in
    /// the file (a branch on values), or "". Throws Error for what the form cannot hold, saying
    /// which other could.
    virtual std::string write(TrainedModel& model, const Tensor& example,
                              const std::string& path) const = 0;
    /// Reads the file again, as far from how it was written as can be: export compares its outputs
    /// with the model's. The default is empty: nothing is compared, which the command says.
    virtual TrainedModel::Forward read(const TrainedModel& model, const std::string& path) const;
    /// Largest difference from the live model's outputs, relative to the largest of them.
    virtual double tolerance() const { return 0; }

    /// A file of weights alone can be written of a model of any inputs; then check_weights() is the
    /// check.
    virtual bool holds_weights_alone() const { return false; }
    virtual void check_weights(const TrainedModel& model, const std::string& path) const;
    /// Whether the file says which mixed precision the model was validated in. Others hold the
    /// weights' own.
    virtual bool keeps_autocast() const { return false; }
};

/// A new file that is on the disk when finish() returns; one that was not finished is removed. Each
/// function throws Error that names the file.
class AILAB_API NewModelFile {
  public:
    /// The file must not exist.
    explicit NewModelFile(const std::string& path);
    ~NewModelFile();
    NewModelFile(const NewModelFile&) = delete;
    NewModelFile& operator=(const NewModelFile&) = delete;

    void write(const void* bytes, size_t size);
    void write(const std::string& text) { write(text.data(), text.size()); }
    /// For LibTorch's writers of zip archives, which end the process where a write of theirs fails:
    /// none does, and what failed is thrown by finish().
    std::function<size_t(const void*, size_t)> writer();
    void finish();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ailab
