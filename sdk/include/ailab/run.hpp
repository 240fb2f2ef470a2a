#pragma once
// The run as hooks see it. Main thread only unless said otherwise.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/comm.hpp"
#include "ailab/device.hpp"
#include "ailab/loss.hpp"
#include "ailab/model.hpp"
#include "ailab/optimizer.hpp"
#include "ailab/phase.hpp"

namespace ailab {

class Dataset;
class Hook;
class Task;

/// Where the run stands. Everything counts from 0; `step` is the number of optimizer steps done.
struct Progress {
    Phase phase = Phase::train;
    int64_t epoch = 0;
    /// Of the whole run; 0 when it ends by iterations.
    int64_t total_epochs = 0;
    int64_t iter = 0;
    /// Iterations of the present phase.
    int64_t iters = 0;
    int64_t step = 0;
    /// Optimizer steps of the whole run.
    int64_t total_steps = 0;
    /// Training iterations of the whole run that are done, and how many it has. With accumulation a
    /// step takes several.
    int64_t train_iter = 0;
    int64_t total_train_iters = 0;
    /// In after_train_iter: whether this iteration ended with an optimizer step. Checkpoints are
    /// taken then only.
    bool stepped = false;
    /// Samples that all ranks together have taken in this phase, and how many it has.
    int64_t samples = 0;
    int64_t total_samples = 0;
};

/// Scalars averaged since the last reduce(). Each hook that logs opens its own.
class AILAB_API MeterWindow {
  public:
    virtual ~MeterWindow();
    /// Averages over ranks and iterations: sum of sums over sum of weights. Collective; empties the
    /// window. In the order in which the names first appeared.
    virtual std::vector<std::pair<std::string, double>> reduce() = 0;
};

/// What this rank's training iterations have taken since the process began, in seconds; or, as
/// mean_since() gives it, one iteration in the mean.
struct Timing {
    int64_t iterations = 0;
    double iteration = 0;
    /// Waiting for the batch.
    double data = 0;
    /// What the loader's threads spent on the batches, all of them together; 0 for datasets that
    /// give whole batches.
    double read = 0;
    double decode = 0;
    double transform = 0;

    /// An iteration since `earlier`, which the caller has kept; all 0 when there was none.
    Timing mean_since(const Timing& earlier) const {
        const int64_t n = iterations - earlier.iterations;
        if (n == 0) return {};
        return {n,
                (iteration - earlier.iteration) / double(n),
                (data - earlier.data) / double(n),
                (read - earlier.read) / double(n),
                (decode - earlier.decode) / double(n),
                (transform - earlier.transform) / double(n)};
    }
};

/// Collective (all ranks must call them alike, in the same order): save_checkpoint(),
/// save_weights(), MeterWindow::reduce() and what comm() offers. The rest is local; where it says
/// that all ranks must ask alike, nothing is exchanged, and ranks that differ part.
class AILAB_API Run {
  public:
    virtual ~Run();

    /// The resolved configuration, as it is saved.
    virtual const Node& config() const = 0;
    virtual std::string config_text() const = 0;
    virtual const std::string& work_dir() const = 0;
    /// `<work_dir>/<start time>`: exists on rank 0 and the ranks of its host when hooks first run.
    virtual const std::string& run_dir() const = 0;
    /// Where a hook is to write: the folder that its options name, else `usual`, which lies in the
    /// run's folder if it is relative. A dry run keeps everything inside its own folder.
    virtual std::string output_folder(const std::optional<std::string>& given,
                                      const std::string& usual) const = 0;
    /// `--dry-run`: two steps of each phase.
    virtual bool dry_run() const = 0;
    /// The checkpoint that this run goes on from, or "".
    virtual const std::string& resumed_from() const = 0;
    virtual uint64_t seed() const = 0;

    virtual Comm& comm() = 0;
    virtual Device& device() = 0;
    virtual c10::Device torch_device() const = 0;
    bool is_main() { return comm().rank() == 0; }

    virtual const Progress& progress() const = 0;
    /// Samples a training step takes over all ranks.
    virtual int64_t global_batch_size() const = 0;

    virtual Model& model() = 0;
    /// nullptr for a model that owns its step and needs none.
    virtual Loss* loss() = 0;
    /// By name; a single optimizer is named "". Hooks may change the numbers of the groups (lr,
    /// weight_decay, momentum) outside of after_backward to after_step; the map, and which
    /// parameters a group has, stay.
    virtual std::map<std::string, std::shared_ptr<Optimizer>>& optimizers() = 0;
    virtual const std::vector<std::shared_ptr<Hook>>& hooks() const = 0;

    /// nullptr for a phase that the run has not. It knows the samples' and the classes' names.
    virtual const Dataset* dataset(Phase phase) const = 0;
    /// What the model's predictions are: the configuration's `task`, else what the loss or the data
    /// say. In an evaluation, from before_val_epoch or before_test_epoch on. The same on all ranks.
    virtual const Task& task();

    /// The present batch with the model's outputs joined in: valid from before_*_iter (without
    /// outputs) to after_*_iter. before_*_iter may change it. After after_*_iter the memory of what
    /// the data set gave is used again: what is kept must be cloned; outputs may be kept as they
    /// are.
    virtual Batch& batch() = 0;

    /// A window of the scalars recorded in `phase`.
    virtual std::shared_ptr<MeterWindow> open_window(Phase phase) = 0;
    /// Records a scalar: the mean over `weight` samples. Does not wait for the device.
    virtual void record(const std::string& name, const Tensor& mean, double weight) = 0;
    /// Until now. A hook keeps what it read last and takes the mean since then.
    virtual Timing timing() const = 0;
    /// The loss's terms in the present iteration on this rank, by name, times their scale. Waits
    /// for the device. A term of which no target counts is left out. Empty outside of an iteration
    /// (open_window() gives means), for a model that owns its step, and without samples.
    virtual std::vector<std::pair<std::string, double>> loss_values() = 0;

    /// The L2 norm of all gradients before clipping, the same on all ranks; computed once a step.
    /// Valid from before_step to after_step. Waits for the device. 0 in a float16 step that is left
    /// out since its scaled gradients were not finite.
    virtual double grad_norm() = 0;
    /// In before_step: leaves this optimizer step out. All ranks must ask alike. The schedule and
    /// the step's number go on.
    virtual void skip_step(const std::string& reason) = 0;
    /// Takes model, loss, optimizers and hooks back to the run's newest checkpoint, after this
    /// iteration; the position in the data, and the step's number, go on. All ranks must ask alike.
    /// False when there is no checkpoint yet; nothing happens then.
    virtual bool roll_back(const std::string& reason) = 0;

    /// Results of the last val or test phase (val loss, metrics), by the configuration's names.
    virtual const std::vector<std::pair<std::string, double>>& results(Phase phase) const = 0;
    /// Adds a result of the phase that ends now. The same on all ranks.
    virtual void publish(const std::string& name, double value) = 0;

    /// Ends the run well after this iteration. All ranks must ask alike.
    virtual void stop(const std::string& reason) = 0;
    /// Why the run ends early, or "".
    virtual const std::string& stop_reason() const = 0;

    /// Saves the present state as the folder `path` (committed: complete or absent) and moves
    /// `<work_dir>/last_checkpoint`. Collective. The state is copied and written beside the
    /// training; an error of any rank ends the run at its next iteration. Earlier checkpoints are
    /// not touched.
    virtual void save_checkpoint(const std::string& path) = 0;
    /// Where checkpoints are kept that the run takes by itself (when a signal asks for one):
    /// `checkpoints` in the run's folder unless a hook sets another.
    virtual const std::string& checkpoint_folder() const = 0;
    virtual void set_checkpoint_folder(const std::string& folder) = 0;
    /// Writes the weights alone (the average of them where a hook keeps one) as a .safetensors
    /// file, for use elsewhere; complete or absent. Collective.
    virtual void save_weights(const std::string& path) = 0;

    /// What the process did until now: for the summary line.
    virtual double seconds_to_first_step() const = 0;
    virtual double train_seconds() const = 0;
    virtual int64_t train_samples() const = 0;
};

}  // namespace ailab
