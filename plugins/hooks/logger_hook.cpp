#include <chrono>
#include <cmath>

#include "ailab/ailab.hpp"
#include "json_line.hpp"
#include "line_file.hpp"
#include "log_line.hpp"

namespace ailab {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

constexpr double mebibyte = 1 << 20;

class LoggerHook final : public Hook {
  public:
    struct Options {
        int64_t interval = 10;
        std::optional<std::string> log_dir;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "training iterations from one line to the next",
                     at_least(1));
            v.option("log_dir", log_dir,
                     "folder of train.log and metrics.jsonl; by default the run's folder");
        }
    };

    explicit LoggerHook(const Options& options) : o(options) {}

    int default_priority() const override { return priority::below_normal; }

    void before_run(Run& run) override {
        window_ = run.open_window(Phase::train);
        if (!run.is_main()) return;
        const std::string folder = o.log_dir.value_or(run.run_dir());
        metrics_.open(folder + "/metrics.jsonl");
        log_to_file(folder + "/train.log");
    }

    void before_train_epoch(Run& run) override {
        phase_begin_ = Clock::now();
        in_training_ = true;
        run.timing();  // what validation took is not this epoch's
    }
    void after_train_iter(Run& run) override {
        ++unlogged_;
        const Progress& progress = run.progress();
        // The epoch's last line is written when its metrics are there.
        if ((progress.iter + 1) % o.interval == 0 && progress.iter + 1 < progress.iters)
            log_training(run);
    }
    void after_train_epoch(Run& run) override {
        if (unlogged_ > 0) log_training(run);
        in_training_ = false;
    }

    void before_val_epoch(Run&) override { phase_begin_ = Clock::now(); }
    void before_test_epoch(Run&) override { phase_begin_ = Clock::now(); }
    void after_val_epoch(Run& run) override { log_evaluation(run); }
    void after_test_epoch(Run& run) override { log_evaluation(run); }

    void after_run(Run& run) override {
        const std::string& reason = run.stop_reason();
        write_summary(run, reason.empty() ? "done" : "stopped: " + reason);
    }
    void on_exception(Run& run, const std::string& message) override {
        write_summary(run, "failed: " + message);
    }

  private:
    static LogRecord where(Run& run) {
        const Progress& progress = run.progress();
        LogRecord record;
        record.phase = progress.phase;
        record.by_iter = progress.total_epochs == 0;
        record.epoch = progress.epoch + 1;
        const bool whole_run = record.by_iter && progress.phase == Phase::train;
        record.iter = whole_run ? progress.train_iter : progress.iter + 1;
        record.iters = whole_run ? progress.total_train_iters : progress.iters;
        record.step = progress.step;
        record.memory = int64_t(double(run.device().peak_memory()) / mebibyte);
        return record;
    }

    void log_training(Run& run) {
        LogRecord record = where(run);
        const Timing timing = run.timing();
        record.time = timing.iteration;
        record.data_time = timing.data;
        timed_seconds_ += timing.iteration * double(unlogged_);
        timed_iterations_ += unlogged_;
        unlogged_ = 0;
        if (run.progress().total_train_iters > 0)
            record.eta = timed_seconds_ / double(timed_iterations_) *
                         double(run.progress().total_train_iters - run.progress().train_iter);
        for (const auto& [name, optimizer] : run.optimizers())
            if (!optimizer->groups().empty())
                record.lr.emplace_back(name.empty() ? "lr" : name + "_lr",
                                       optimizer->groups()[0].lr);
        record.values = window_->reduce();  // collective: on every rank
        for (const auto& result : run.results(Phase::train)) record.values.push_back(result);
        write(run, record);
    }

    /// A loss that is no number stays so: nothing more is learned. On the writer's thread.
    void warn_once(const LogRecord& record) {
        if (warned_) return;
        for (const auto& [name, value] : record.values) {
            if (std::isfinite(value)) continue;
            log_warning(
                name, " is ", value, " by step ", record.step,
                ": the training has diverged. Look at the data, or lower the learning rate");
            warned_ = true;
            return;
        }
    }

    void log_evaluation(Run& run) {
        LogRecord record = where(run);
        record.time = seconds_since(phase_begin_) / double(std::max<int64_t>(1, record.iters));
        record.values = run.results(record.phase);
        write(run, record);
    }

    void write(Run& run, const LogRecord& record) {
        if (!run.is_main()) return;
        writer_.post([this, record] {
            log_info(console_line(record));
            metrics_.write(json_line(record));
            if (record.phase == Phase::train) warn_once(record);
        });
    }

    void write_summary(Run& run, const std::string& exit) {
        if (!metrics_.is_open()) return;  // not rank 0, or it failed before
        writer_.finish();
        // The run counts the time of complete epochs.
        const double seconds =
            run.train_seconds() + (in_training_ ? seconds_since(phase_begin_) : 0.0);
        metrics_.write(JsonLine()
                           .add("mode", std::string("summary"))
                           .add("epoch", run.progress().epoch + 1)
                           .add("step", run.progress().step)
                           .add("samples_per_second", double(run.train_samples()) / seconds)
                           .add("time_to_first_step", run.seconds_to_first_step())
                           .add("peak_memory", double(run.device().peak_memory()) / mebibyte)
                           .add("exit", exit)
                           .str());
    }

    const Options o;
    std::shared_ptr<MeterWindow> window_;
    LineFile metrics_;
    Background writer_;  // ends before what it writes to
    bool warned_ = false;
    int64_t unlogged_ = 0;  // training iterations since the last line
    double timed_seconds_ = 0;
    int64_t timed_iterations_ = 0;
    Clock::time_point phase_begin_;
    bool in_training_ = false;
};

}  // namespace

AILAB_REGISTER_HOOK(LoggerHook,
                    "Logs to the console, train.log and metrics.jsonl on rank 0 (priority 60)")

}  // namespace ailab
