#pragma once
#include <array>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/background_writer.hpp"
#include "distributed/signals.hpp"
#include "evaluator.hpp"
#include "hook_list.hpp"
#include "host/clock.hpp"
#include "loading_advice.hpp"
#include "meters.hpp"
#include "modules.hpp"
#include "modules/fields.hpp"
#include "resume.hpp"
#include "run_state.hpp"
#include "sample_report.hpp"
#include "step/forward_pass.hpp"
#include "step/gradient_watch.hpp"
#include "step/sync_batch_norm.hpp"
#include "step/training_step.hpp"
#include "weights/evaluation_weights.hpp"
#include "weights/registered_tensors.hpp"
#include "work_dir/lineage.hpp"
#include "workflow.hpp"

namespace ailab {

/// Runs the workflow: phases, the training step, hooks. Main thread.
class Runner final : public Run, private StepObserver {
  public:
    Runner(const RunConfig& config, Job& job, Device& device, c10::Device torch_device,
           Modules& modules, std::string run_dir);

    /// Takes over what a checkpoint holds. Before run().
    void restore(const Resume& resume);
    /// Where the run's checkpoints stand, on rank 0. Before run().
    void set_lineage(Lineage lineage) { lineage_ = std::move(lineage); }
    void run();
    /// The signal that ended the run, or 0.
    int stop_signal() const { return stop_signal_; }
    /// The run failed on this rank: hooks save what they can.
    void on_exception(const std::string& message) noexcept;

    const Node& config() const override { return resolved_; }
    std::string config_text() const override;
    const std::string& work_dir() const override { return config_.work_dir; }
    const std::string& run_dir() const override { return run_dir_; }
    uint64_t seed() const override { return config_.seed; }
    Comm& comm() override { return job_; }
    Device& device() override { return device_; }
    c10::Device torch_device() const override { return torch_device_; }
    const Progress& progress() const override { return progress_; }
    int64_t global_batch_size() const override;
    Model& model() override { return *modules_.model; }
    Loss* loss() override { return modules_.loss.get(); }
    std::map<std::string, std::shared_ptr<Optimizer>>& optimizers() override {
        return modules_.optimizers;
    }
    const std::vector<std::shared_ptr<Hook>>& hooks() const override { return hooks_.all(); }
    const Dataset* dataset(Phase phase) const override;
    const Task& task() override;
    Batch& batch() override { return batch_; }
    std::shared_ptr<MeterWindow> open_window(Phase phase) override;
    void record(const std::string& name, const Tensor& mean, double weight) override;
    Timing timing() const override;
    const std::vector<std::pair<std::string, double>>& results(Phase phase) const override;
    void publish(const std::string& name, double value) override;
    void stop(const std::string& reason) override;
    const std::string& stop_reason() const override { return stop_reason_; }
    void save_checkpoint(const std::string& path) override;
    std::string output_folder(const std::optional<std::string>& given,
                              const std::string& usual) const override;
    bool dry_run() const override { return config_.dry_run; }
    const std::string& resumed_from() const override { return resumed_from_; }
    std::vector<std::pair<std::string, double>> loss_values() override {
        return step_.loss_values();
    }
    double grad_norm() override { return step_.grad_norm(); }
    void skip_step(const std::string& reason) override { step_.skip(reason); }
    bool roll_back(const std::string& reason) override;
    const std::string& checkpoint_folder() const override { return checkpoint_folder_; }
    void set_checkpoint_folder(const std::string& folder) override { checkpoint_folder_ = folder; }
    void save_weights(const std::string& path) override;
    double seconds_to_first_step() const override { return seconds_to_first_step_; }
    double train_seconds() const override { return train_seconds_; }
    int64_t train_samples() const override { return train_samples_; }

  private:
    // phases.cpp
    void say_if_terms_stay_apart() const;
    void say_if_trained() const;
    void train_epoch();
    void evaluate_epoch(Phase phase);
    void begin_phase(Phase phase, int64_t iterations);
    void call_before_run();
    void call_after_results(Phase phase);
    void put_in_evaluation_weights();
    void call_after_load(const std::string& checkpoint);
    bool stops_now(int64_t iteration);

    // step_events.cpp: what a step tells
    void doing(const char* what) override { job_.doing(what); }
    void after_backward() override { hooks_.call(*this, after_backward_); }
    std::vector<double> own_flags() override { return own_requests(); }
    void note_flags(std::span<const double> sums) override { note_requests(sums); }
    void gradients_complete() override;
    void before_step() override { hooks_.call(*this, before_step_); }
    void after_step() override { hooks_.call(*this, after_step_); }
    bool records() const override { return !windows_[size_t(Phase::train)].empty(); }
    void record(const std::string& name, const Tensor& mean, double weight,
                const Tensor& unless) override;
    void nothing_counts() override;
    void check_registered() const;
    void tell_if_never_reached();
    void tell_never_reached(const std::string& when);

    // requests.cpp
    std::vector<double> own_requests();
    void note_requests(std::span<const double> sums);
    void serve_requests();
    void checkpoint_for_request();

    // state.cpp
    Checkpoint gather_state();
    RunState run_state() const;
    State rank_state() const;
    void check_savable();
    void restore_modules(const Resume& resume);
    void restore_original(const Resume& resume);
    void tell_ranks();
    void restore_optimizer(const std::string& name, const State& saved, const Resume& resume);
    void restore_position(const State& run);
    void restore_ranks(const Resume& resume);
    void restore_window(const std::string& key, Meters& window);
    void serve_roll_back();

    // rehearsal.cpp
    void rehearse();
    bool rehearse_phase(Phase phase);
    std::vector<size_t> hooks_with_results(Phase phase) const;
    void rehearse_smallest_batch();

    // iteration.cpp
    void train_iteration();
    void begin_step(PhaseData& data);
    Batch fetch_batch(PhaseData& data);
    void evaluate_iteration();
    void take_batch(PhaseData& data);
    void note_padding(const PhaseData& data);
    void record_padding();
    int ranks_with_samples(const PhaseData& data);
    void return_batch(PhaseData& data);
    void broadcast_buffers();

    // runner.cpp
    void call(HookList::Point point, const char* name);
    void beat() noexcept;
    void place_on_device(PhaseData& data);
    void move_to_device(Batch& batch, bool pinned) const;

    const RunConfig& config_;
    Job& job_;
    Device& device_;
    const c10::Device torch_device_;
    Modules& modules_;
    const Node resolved_;  // as it is saved
    const std::string run_dir_;
    const HookList hooks_;
    const HookList::IterationPoint before_train_iter_, after_backward_, before_step_, after_step_,
        after_train_iter_;
    const std::unique_ptr<SyncBatchNorm> sync_batch_norm_;  // or none
    const ForwardPass forward_;
    TrainingStep step_;
    Evaluator evaluator_;
    const RegisteredTensors registered_;  // as the run began

    EvaluationWeights evaluation_weights_;
    Progress progress_;
    Workflow workflow_;
    Batch batch_;
    std::vector<std::string> loaded_fields_;                // of batch_, before anything was joined
    std::vector<std::pair<std::string, Padding>> padding_;  // of batch_, by the name in the log
    std::array<std::vector<std::shared_ptr<Meters>>, 3> windows_;  // by Phase
    std::map<Phase, Results> results_;
    std::string stop_reason_;
    int stop_signal_ = 0;
    std::string resumed_from_;
    std::string checkpoint_folder_;
    std::string newest_checkpoint_;              // of this run
    Lineage lineage_;                            // of the newest, or of the start
    int64_t saved_step_ = -1;                    // of the newest checkpoint
    std::map<std::string, Node> saved_windows_;  // of the run that goes on, until they are opened
    std::string opening_hook_;                   // whose before_run is being called
    std::map<std::string, std::shared_ptr<Meters>> named_windows_;

    std::deque<Batch> ahead_;  // of the present step, where its batches were wanted before it
    std::string roll_back_reason_;
    GradientWatch gradient_watch_;
    bool looks_at_registered_ = true;  // in the next step, the first of a phase
    bool told_uncounted_ = false;      // that no target of a step counts
    dist::SignalRequests requests_;    // that all ranks know of

    Clock::time_point last_timing_;
    Timing timing_;                // without the loader's stages
    StageTimes stage_times_;       // of training
    LoadingShare loading_;         // of the present training phase
    std::exception_ptr foreseen_;  // what will end an evaluation, if the first iteration does not
    SampleReport sample_report_;
    double seconds_to_first_step_ = 0;
    double train_seconds_ = 0;
    int64_t train_samples_ = 0;
    int64_t checkpoints_ = 0;  // begun, for names in the store
    BackgroundWriter writer_;
};

}  // namespace ailab
