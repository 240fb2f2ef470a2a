#pragma once
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/background_writer.hpp"
#include "forward_pass.hpp"
#include "host/clock.hpp"
#include "meters.hpp"
#include "modules.hpp"

namespace ailab {

/// Where the next iteration stands in the workflow: what a checkpoint stores.
struct Position {
    int64_t epoch = 0;   // training epochs (or rounds of iterations) that are complete
    size_t entry = 0;    // of the workflow's list
    int64_t repeat = 0;  // epochs of this entry that are complete
    int64_t iter = 0;    // iterations of the present epoch that are complete
    int64_t step = 0;    // optimizer steps
};

/// Runs the workflow: phases, the training step, hooks. Main thread.
class Runner final : public Run {
  public:
    Runner(const RunConfig& config, Job& job, Device& device, c10::Device torch_device,
           Modules& modules, std::string run_dir);

    void run();
    /// The run failed on this rank: hooks save what they can.
    void on_exception(const std::string& message) noexcept;

    const Node& config() const override { return config_.resolved; }
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
    const std::vector<std::shared_ptr<Hook>>& hooks() const override { return modules_.hooks; }
    Batch& batch() override { return batch_; }
    std::shared_ptr<MeterWindow> open_window(Phase phase) override;
    void record(const std::string& name, const Tensor& mean, double weight) override;
    Timing timing() override;
    const std::vector<std::pair<std::string, double>>& results(Phase phase) const override;
    void publish(const std::string& name, double value) override;
    void stop(const std::string& reason) override;
    const std::string& stop_reason() const override { return stop_reason_; }
    void save_checkpoint(const std::string& path) override;
    std::string output_folder(const std::optional<std::string>& given,
                              const std::string& usual) const override;
    bool dry_run() const override { return config_.dry_run; }
    const std::string& resumed_from() const override { return resumed_from_; }
    std::vector<std::pair<std::string, double>> loss_values() override;
    double grad_norm() override;
    void skip_step(const std::string& reason) override;
    bool roll_back(const std::string& reason) override;
    const std::string& checkpoint_folder() const override { return checkpoint_folder_; }
    void set_checkpoint_folder(const std::string& folder) override { checkpoint_folder_ = folder; }
    void save_weights(const std::string& path) override;
    double seconds_to_first_step() const override { return seconds_to_first_step_; }
    double train_seconds() const override { return train_seconds_; }
    int64_t train_samples() const override { return train_samples_; }

  private:
    using HookPoint = void (Hook::*)(Run&);

    // workflow.cpp
    bool finished() const;
    void plan_length();
    void run_entry(const WorkflowStep& step);
    void train_epoch(const WorkflowStep& step);
    void evaluate_epoch(Phase phase);
    void begin_phase(Phase phase, int64_t iterations);

    // iteration.cpp
    void train_iteration();
    void evaluate_iteration(Meters& sums);
    void take_batch(PhaseData& data);
    void return_batch(PhaseData& data);
    void shared_step();
    std::vector<double> term_factors(const std::vector<LossTerm>& terms);
    void record_loss(const std::vector<LossTerm>& terms, const std::vector<double>& factors);
    void own_step();
    void broadcast_buffers();
    void seed_step();

    // runner.cpp
    void call(HookPoint point, const char* name);
    void beat() noexcept;
    void place_on_device(Batch& batch);

    friend class ModelStep;

    const RunConfig& config_;
    Job& job_;
    Device& device_;
    const c10::Device torch_device_;
    Modules& modules_;
    const std::string run_dir_;
    const ForwardPass forward_;

    Progress progress_;
    Position position_;
    Batch batch_;
    std::vector<std::string> dealt_fields_;  // of batch_, before anything was joined
    std::map<Phase, std::vector<std::shared_ptr<Meters>>> windows_;
    std::map<Phase, std::vector<std::pair<std::string, double>>> results_;
    std::string stop_reason_;
    std::string resumed_from_;
    std::string checkpoint_folder_;
    std::string skip_reason_;
    std::string roll_back_reason_;
    std::optional<double> grad_norm_;

    Clock::time_point last_timing_;
    double data_seconds_ = 0;
    double iteration_seconds_ = 0;
    int64_t timed_iterations_ = 0;
    double seconds_to_first_step_ = 0;
    double train_seconds_ = 0;
    int64_t train_samples_ = 0;
    int64_t checkpoints_ = 0;  // begun, for names in the store
    BackgroundWriter writer_;
};

}  // namespace ailab
