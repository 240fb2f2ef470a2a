#pragma once
// What a model is for: what its outputs mean, and so how its predictions are printed, written,
// averaged over several views of a sample, reported and drawn.
//
//     class Counting : public ailab::Task {
//       public:
//         ailab::Predictions predict(const ailab::Batch& outputs,
//                                    const ailab::PredictionForm&) const override {
//             ailab::Predictions said;
//             const ailab::Tensor counts = output_of(outputs).exp().round().to(at::kLong);
//             for (int64_t i = 0; i < counts.size(0); ++i)
//                 said.samples.push_back({{"count", counts[i].item<int64_t>()}});
//             return said;
//         }
//     };
//     AILAB_REGISTER_TASK(Counting, "How many of something: the output is the count's logarithm")
//
// The configuration names it (`task: Counting`, or with options), else the loss's output_kind()
// chooses one. It is made once a run, or once a served model.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/comm.hpp"
#include "ailab/output_kind.hpp"
#include "ailab/prediction.hpp"
#include "ailab/registry.hpp"
#include "ailab/support/page.hpp"

namespace ailab {

/// What a task is told of the model, or the data, that it speaks for.
struct TaskContext {
    /// By number; empty where they have none.
    std::vector<std::string> class_names;
    /// What the model's first output stands for, where its loss tells.
    std::optional<OutputKind> output_kind;
    /// The fields of a batch that are the model's first output, and what it is compared with.
    std::string output = "output";
    std::string target = "target";
    /// The configuration of the training.
    Node config = Node::map();
};

/// What an evaluation found, for the report. Main thread; show() on another one.
class AILAB_API Findings {
  public:
    virtual ~Findings();

    /// An evaluated batch of this rank, with the data's fields and the model's outputs. Not empty.
    virtual void add(const Batch& batch) = 0;
    /// After the last batch, on every rank, also on those that had none: brings together what all
    /// ranks found. `dataset` is the evaluated one. Collective. What is asked from here on is asked
    /// on rank 0 alone.
    virtual void gather(Comm& comm, const Dataset& dataset) = 0;
    /// Lines for the log, or "". `phase` is "val" or "test".
    virtual std::string text(const std::string& /*phase*/) const { return ""; }
    /// Adds sections to the report: each time it is written, on another thread, also when the task
    /// is gone.
    virtual void show(Page& page, const std::string& phase) const = 0;
};

/// A task. The simple case overrides predict(). What is not overridden is as for outputs of which
/// nothing is known: their numbers as they are. Const calls may come from several threads at once.
class AILAB_API Task {
  public:
    virtual ~Task();

    /// Of outputs of more values a sample the lines have less (PredictionForm::all_values: all).
    static constexpr int64_t most_values = 1000;

    /// Once, before anything else is asked.
    void set_context(TaskContext context) { context_ = std::move(context); }
    const TaskContext& context() const { return context_; }

    /// What the model says of each sample, by its outputs [N, …] alone: `infer` writes these
    /// fields. The default: {output}, or of many values {output_shape}.
    virtual Predictions predict(const Batch& outputs, const PredictionForm& form) const;
    /// The same of a batch that was evaluated, which has the data's fields too: `test` writes
    /// these. The default: {target} and what predict() says; of many values, where the targets are
    /// numbers of classes by position, {prediction, probability} in place of that.
    virtual Predictions evaluate(const Batch& batch, const PredictionForm& form) const;
    /// What a table (CSV) writes above a field, of a tensor above its number `i`; nothing leaves
    /// the field out. The default has the outputs, and in place of these what is predicted.
    virtual std::optional<std::string> column(const std::string& field,
                                              std::optional<int64_t> i) const;

    /// Whether the outputs are scores of classes or labels.
    virtual bool classifies() const { return false; }
    /// The most likely classes by one sample's output, best first. Empty where it tells none.
    virtual std::vector<ClassScore> top_classes(const Tensor& output, int64_t most) const;

    /// outputs of several views of the same samples, [V, N, …] -> [N, …]. The default is their
    /// mean, for numbers [N, K]; it throws Error for what has a place in the image.
    virtual Tensor mean(const Tensor& outputs) const;

    /// For one evaluation: what the report is to show of it, and so many of the samples that the
    /// model was most wrong about. The default is nothing.
    virtual std::unique_ptr<Findings> findings(int64_t worst) const;

    /// What stands below a sample's picture in `browse`: by default the class, or of a mixed
    /// sample its classes' shares.
    virtual std::string caption(const Sample& sample) const;
    /// Draws what a sample has beside its picture, uint8 [3, H, W], into it (boxes, masks). The
    /// default is undefined: there is nothing to draw.
    virtual Tensor draw(const Tensor& picture, const Sample& sample) const;

  protected:
    /// The model's first output, [N, …].
    const Tensor& output_of(const Batch& batch) const { return batch.tensor(context_.output); }
    /// The target, or the label; nullptr where there is none.
    const BatchField* target_of(const Batch& batch) const;
    /// The class's name, or its number.
    std::string class_name(int64_t index) const;
    /// Whether the loss has the classes along the last dimension (its option `classes_last`).
    bool has_classes_last() const;
    /// What is written of outputs [N, …] of many values: the predicted classes along a dimension,
    /// with their probabilities where these are few; or the shape alone.
    static Predictions shortened(const Tensor& output, std::optional<int64_t> class_dim);
    /// Whether an output [N, …] has more values a sample than are written.
    static bool has_many(const Tensor& output, const PredictionForm& form);

  private:
    TaskContext context_;
};

/// The samples that a model was most wrong about: for Findings.
class AILAB_API WorstSamples {
  public:
    struct Words {
        std::string caption;             // below the picture
        std::vector<std::string> cells;  // of the table, behind the sample's number and name
    };

    explicit WorstSamples(int64_t most) : most_(size_t(most)) {}

    /// The greater the error the worse. `words` is called where the sample is among the worst.
    void add(int64_t id, double error, const std::function<Words()>& words);
    /// Over all ranks; on rank 0 then also the names, and the pictures, in which `task` draws.
    /// Collective.
    void gather(Comm& comm, const Dataset& dataset, const Task& task);
    /// Pictures and a table, worst first; nothing where there are none.
    void show(Page& page, const std::string& heading, std::vector<std::string> header) const;

  private:
    struct One {
        int64_t id;
        double error;
        Words words;
        std::string name;
        std::string picture;  // PNG, or ""
    };
    void keep(One one);

    size_t most_;
    std::vector<One> samples_;  // worst first
};

/// A small picture of a sample as it was read (PNG), with what `task` draws, or "" where it is
/// none.
AILAB_API std::string picture_of(const Dataset& dataset, int64_t id, const Task& task);

/// The image of a sample: the first field of [1 or 3, H, W] among those that the data set declares
/// as images, `image` and `input`; undefined without one.
AILAB_API Tensor image_in(const Sample& sample);
/// An image of any type as uint8 [3, H, W] with what `task` draws; the image itself where that is
/// nothing. Of other types than uint8 the least value is black and the greatest white.
AILAB_API Tensor drawn(const Task& task, const Tensor& image, const Sample& sample);

}  // namespace ailab
