#pragma once
// A trained model for a program of one's own: load it, give it tensors or image files.
//
//     ailab::Predictor predictor("model.ailab");
//     for (const ailab::ClassScore& score : predictor.predict("cat.jpg").top)
//         std::printf("%s %.3f\n", score.name.c_str(), score.probability);
//
// Link ailab::sdk of the CMake package. C: predictor.h.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "ailab/prediction.hpp"

namespace ailab {

struct PredictorOptions {
    std::string device = "auto";  // auto, cpu, cuda
    /// That work on files; 0: as many as there are cores.
    int threads = 0;
    /// Files that are run together at most.
    int64_t batch_size = 8;
    /// Classes that a prediction lists.
    int64_t topk = 5;
    /// Files of plugins, of your own: they are loaded before those that the model's file names.
    std::vector<std::string> plugins;
    /// Runs the plugins that an artifact brings: in it, or beside it. They are code, and run with
    /// the rights of your process; without this, and without a public_key, such an artifact is
    /// refused.
    bool trust_plugins = false;
    /// A file with an Ed25519 public key (PEM, as `openssl pkey -pubout` writes it). Then an
    /// artifact must have a signature of `ailab-run sign` by that key, over all that it holds and
    /// over the plugins that it names; it is checked before anything of it is used, and its plugins
    /// are trusted.
    std::string public_key;
    /// Prediction::line is written; with all values of outputs that have many.
    bool lines = false;
    bool all_values = false;
};

/// What the model says of one file.
struct Prediction {
    std::string file;
    /// Why there is no prediction, or "".
    std::string error;
    /// For a classifier: the most likely classes, best first.
    std::vector<ClassScore> top;
    /// The model's output of this sample, on the CPU; float32, or float64 for such a model.
    at::Tensor output;
    /// From the reading of the file to the result.
    double seconds = 0;
    /// The line of JSON that `ailab-run infer` writes, as the model's task has it (Task::predict):
    /// {"file": …, …, "time": …} or {"file": …, "error": …}. Where PredictorOptions::lines.
    std::string line = {};
    /// What the line has in place of an output of many values: "the predicted classes"; or "".
    std::string shortened = {};
};

/// A trained model in evaluation mode, fed as it was validated: with the transforms of the
/// configuration's validation data, and its precision. Making one is not thread-safe, all calls
/// are.
class AILAB_API Predictor {
  public:
    /// An artifact of `ailab-run export --to artifact`. Throws Error (damaged, of another version,
    /// not signed by the key) and ConfigError (a plugin that is missing, of another build or not
    /// trusted), saying what to do. No code of the artifact runs before its checks are done.
    explicit Predictor(const std::string& artifact, const PredictorOptions& options = {});
    /// A configuration, and a checkpoint of it: a folder, a run's folder, a .safetensors or .pth
    /// file, `latest` or `best`. Needs the validation data, whose samples say what the model is
    /// fed. The plugins that the configuration names are loaded: it is to be one that you trust.
    /// There is nothing that public_key could be of: throws ConfigError.
    Predictor(const std::string& config, const std::string& checkpoint,
              const PredictorOptions& options = {});
    ~Predictor();
    Predictor(Predictor&&) noexcept;
    Predictor& operator=(Predictor&&) noexcept;
    Predictor(const Predictor&) = delete;
    Predictor& operator=(const Predictor&) = delete;

    /// Whether the outputs are scores of classes or labels.
    bool classifies() const;
    /// Their names by number; empty if unknown.
    const std::vector<std::string>& class_names() const;
    /// Of one sample, without the batch: [C, H, W] for images. Empty if unknown.
    const std::vector<int64_t>& input_shape() const;

    /// batch: [N, input_shape…], as the model takes it (transformed) -> its output: [N, …]. Throws
    /// Error for another shape and what the model throws.
    at::Tensor predict(const at::Tensor& batch) const;
    /// One image file.
    Prediction predict(const std::string& file) const;
    /// Image files as `next` names them, until it names none. `done` is called on the calling
    /// thread in their order, as soon as a result is there; `next` on another one, and it may wait.
    /// Files that cannot be used have Prediction::error. What `next` or `done` throws ends the
    /// call.
    void predict(const std::function<std::optional<std::string>()>& next,
                 const std::function<void(const Prediction&)>& done) const;
    /// The classes that a sample's output names, as in Prediction::top. Empty if the model is no
    /// classifier.
    std::vector<ClassScore> top_classes(const at::Tensor& output) const;

  private:
    class Impl;
    friend class PredictorAccess;
    explicit Predictor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ailab
