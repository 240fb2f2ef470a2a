#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>

#include "ailab/ailab.hpp"
#include "interval_means.hpp"
#include "json_line.hpp"
#include "leaves_out.hpp"
#include "line_writer.hpp"
#include "log_items.hpp"
#include "log_line.hpp"
#include "options/limits.hpp"
#include "trackers/log_folder.hpp"

namespace ailab {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

constexpr double mebibyte = 1 << 20;

/// Iterations after which a time counts half as much for the eta.
constexpr double eta_half_life = 500;

const char* const metrics_name = "metrics.jsonl";
const char* const log_name = "train.log";

class LoggerHook final : public Hook {
  public:
    static constexpr Role role = roles::logger;

    struct Options {
        int64_t interval = 10;
        int64_t smoothing = 0;
        GivenFolder log_dir;
        std::map<std::string, Node> log_items;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "training iterations from one line to the next",
                     steps_from(1));
            v.option("smoothing", smoothing,
                     "training values are means over the lines of so many iterations; 0: since "
                     "the last line",
                     steps_from(0));
            v.option("log_dir", log_dir,
                     "folder that gets a folder a run, and links to the newest run's train.log and "
                     "metrics.jsonl; by default they are in the run's folder");
            v.option("log_items", log_items,
                     concat("name: path, more values of the run for each line. Paths: ",
                            log_item_paths));
        }
    };

    explicit LoggerHook(const Options& options) : o(options), means_(o.smoothing) {}

    int default_priority() const override { return priority::below_normal; }

    void check(const RunPlan& plan, Problems& problems) override {
        items_ = read_log_items(o.log_items, plan, problems);
    }

    std::vector<std::string> output_paths() const override {
        const std::filesystem::path folder = o.log_dir.value.value_or("");
        return {folder / metrics_name, folder / log_name};
    }

    void before_run(Run& run) override {
        check_groups(items_, run);
        window_ = run.open_window(Phase::train);
        for (const auto& hook : run.hooks())
            if (const auto* guard = dynamic_cast<const LeavesStepsOut*>(hook.get()))
                guards_.push_back(guard);
        if (!saved_.members().empty()) go_on();
        logged_step_ = run.progress().step;
        if (!run.is_main()) return;
        const std::filesystem::path folder = log_folder(run, o.log_dir);
        link_logs(run, o.log_dir, folder, {log_name, metrics_name});
        metrics_path_ = folder / metrics_name;
        log_path_ = folder / log_name;
        if (!run.resumed_from().empty()) {
            replace_link_by_copy(metrics_path_);
            replace_link_by_copy(log_path_);
            cut_back(metrics_path_, metrics_bytes_);
            cut_back(log_path_, log_bytes_);
        }
        metrics_.open(metrics_path_);
        log_to_file(log_path_);
    }

    // A resumed run goes on in the files where the checkpoint left them: what the run before wrote
    // later is done, and written, again.
    void before_save_checkpoint(Run&, const std::string&) override {
        end_span();  // the window's sums are in no checkpoint
        if (!metrics_.is_open()) return;
        writer_.finish();
        metrics_bytes_ = file_bytes(metrics_path_);
        log_bytes_ = file_bytes(log_path_);
    }
    State save_state() const override {
        State state;
        state.values.set("metrics_bytes", Node(metrics_bytes_));
        state.values.set("log_bytes", Node(log_bytes_));
        state.values.set("unlogged_iterations", Node(unlogged_));
        state.values.set("timed_seconds", Node(timed_seconds_));
        state.values.set("timed_iterations", Node(timed_iterations_));
        state.values.set("means", means_.save());
        return state;
    }
    /// For a run that begins: one that is rolled back to a checkpoint has done what its log tells.
    void load_state(const State& state) override { saved_ = state.values; }

    void before_train_epoch(Run&) override {
        phase_begin_ = Clock::now();
        in_training_ = true;
    }
    void after_train_iter(Run& run) override {
        ++unlogged_;
        ++span_.iterations;
        span_.samples += double(run.batch().global_size);
        span_skipped_ = span_skipped_ || (run.progress().stepped && has_left_out());
        const Progress& progress = run.progress();
        // The epoch's last line is written when its metrics are there.
        if ((progress.iter + 1) % o.interval == 0 && progress.iter + 1 < progress.iters)
            log_training(run);
    }
    void after_train_epoch(Run& run) override {
        if (unlogged_ > 0) log_training(run);
        means_.end_epoch();
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
    /// Whether a hook has left out the last step, and said so.
    bool has_left_out() const {
        return std::any_of(guards_.begin(), guards_.end(),
                           [](const LeavesStepsOut* guard) { return guard->has_left_out(); });
    }

    void go_on() {
        const auto value = [&](const char* name) -> const Node& {
            if (const Node* found = saved_.find(name)) return *found;
            throw Error(concat("the checkpoint has no \"", name, "\" of the LoggerHook"));
        };
        metrics_bytes_ = value("metrics_bytes").as_int();
        log_bytes_ = value("log_bytes").as_int();
        unlogged_ = value("unlogged_iterations").as_int();
        timed_seconds_ = value("timed_seconds").as_float();
        timed_iterations_ = value("timed_iterations").as_float();
        means_.load(value("means"));
    }

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

    /// Collective where there is something to add.
    void end_span() {
        if (span_.iterations == 0) return;
        span_.values = window_->reduce();
        // A loss that is not finite and trains nothing is none of the training's; whoever left its
        // step out has said so.
        if (std::exchange(span_skipped_, false))
            std::erase_if(span_.values,
                          [](const auto& value) { return !std::isfinite(value.second); });
        means_.add(std::exchange(span_, {}));
    }

    void log_training(Run& run) {
        LogRecord record = where(run);
        const Timing until_now = run.timing();
        const Timing timing = until_now.mean_since(std::exchange(timed_, until_now));
        record.time = timing.iteration;
        record.data_time = timing.data;
        record.read_time = timing.read;
        record.decode_time = timing.decode;
        record.transform_time = timing.transform;
        add_time(timing.iteration);
        unlogged_ = 0;
        const Progress& progress = run.progress();
        if (progress.total_train_iters > 0)
            record.eta = timed_seconds_ / timed_iterations_ *
                         double(progress.total_train_iters - progress.train_iter);
        for (const auto& [name, optimizer] : run.optimizers())
            if (!optimizer->groups().empty())
                record.lr.emplace_back(name.empty() ? "lr" : name + "_lr",
                                       optimizer->scheduled_lr());
        end_span();
        record.values = means_.end_interval();
        for (const auto& result : run.results(Phase::train)) record.values.push_back(result);
        write(run, record);
    }

    /// Sums that fade, so that the eta follows a run that becomes slower or faster.
    void add_time(double iteration) {
        const double kept = std::exp2(-double(unlogged_) / eta_half_life);
        timed_seconds_ = timed_seconds_ * kept + iteration * double(unlogged_);
        timed_iterations_ = timed_iterations_ * kept + double(unlogged_);
    }

    /// Once for each time that it begins. On the writer's thread.
    void warn_of_divergence(const LogRecord& record) {
        const auto not_finite =
            std::find_if(record.values.begin(), record.values.end(),
                         [](const auto& value) { return !std::isfinite(value.second); });
        const bool diverged = not_finite != record.values.end();
        if (diverged && !diverged_)
            log_warning(
                not_finite->first, " is ", not_finite->second, " by step ", record.step,
                ": the training has diverged. Look at the data, or lower the learning rate");
        diverged_ = diverged;
        warn_of_overflow(record);
    }

    /// In float16 a step whose gradients overflow is left out, and the next one has a smaller scale
    /// of the loss. Gradients that are not finite at any scale have diverged.
    void warn_of_overflow(const LogRecord& record) {
        constexpr int64_t too_many = 40;  // from any sensible scale to one below 1
        // With several optimizers there is one of each: "d_overflow".
        const bool all =
            std::any_of(record.values.begin(), record.values.end(), [](const auto& value) {
                return (value.first == "overflow" || value.first.ends_with("_overflow")) &&
                       value.second == 1;
            });
        const int64_t before = left_out_;
        left_out_ = all ? before + record.step - logged_step_ : 0;
        logged_step_ = record.step;
        if (before < too_many && left_out_ >= too_many)
            log_warning("the last ", left_out_, " float16 steps up to step ", record.step,
                        " were left out: their gradients are not finite, however small the "
                        "loss's scale. The training has diverged, or float16 is too narrow for "
                        "this model: try bfloat16");
    }

    void log_evaluation(Run& run) {
        LogRecord record = where(run);
        record.time = seconds_since(phase_begin_) / double(std::max<int64_t>(1, record.iters));
        record.values = run.results(record.phase);
        write(run, record);
    }

    /// What a model or a hook of the user's records may have any name.
    static void check_names(const LogRecord& record) {
        std::set<std::string> taken(line_keys().begin(), line_keys().end());
        for (const auto& [name, value] : record.lr) taken.insert(name);
        for (const auto& [name, value] : record.values)
            if (!taken.insert(name).second)
                throw Error(concat("a value is recorded or published as \"", name,
                                   "\", and a line of the log has one of this name already; choose "
                                   "another"));
    }

    void write(Run& run, LogRecord& record) {
        check_names(record);
        if (!run.is_main()) return;
        add_log_items(record, items_, run, means_.epoch());
        writer_.post([this, record] {
            log_info(console_line(record));
            write_metrics(json_line(record));
            if (record.phase == Phase::train) warn_of_divergence(record);
        });
    }

    /// A full disk does not end the training. Once there is room again lines are written again.
    void write_metrics(const std::string& line) {
        try {
            metrics_.write(line);
        } catch (const Error& error) {
            if (!std::exchange(complained_, true))
                log_warning(error.what(), "; the training goes on without the lines that are lost");
        }
    }

    void cut_back(const std::string& path, int64_t bytes) {
        if (bytes >= 0 && !cut_file(path, bytes))
            log_warning(path,
                        " has not what it had when the checkpoint was written; the lines of "
                        "this run are added to what is there");
    }

    void write_summary(Run& run, const std::string& exit) {
        if (!metrics_.is_open()) return;  // not rank 0, or it failed before
        writer_.finish();
        // The run counts the time of complete epochs.
        const double seconds =
            run.train_seconds() + (in_training_ ? seconds_since(phase_begin_) : 0.0);
        write_metrics(JsonLine()
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
    std::vector<LogItem> items_;
    std::shared_ptr<MeterWindow> window_;
    Span span_;                                  // what the window holds
    bool span_skipped_ = false;                  // a step in it was left out
    std::vector<const LeavesStepsOut*> guards_;  // the run's, which are there as long as this one
    IntervalMeans means_;
    std::string metrics_path_, log_path_;
    Node saved_ = Node::map();                     // in the checkpoint
    int64_t metrics_bytes_ = -1, log_bytes_ = -1;  // when the last checkpoint was written
    LineWriter metrics_;
    Background writer_;        // ends before what it writes to
    bool diverged_ = false;    // in the last line; these three are the writer's
    int64_t left_out_ = 0;     // float16 steps in a row
    int64_t logged_step_ = 0;  // of the last line
    bool complained_ = false;
    int64_t unlogged_ = 0;  // training iterations since the last line
    Timing timed_;          // until the last line
    double timed_seconds_ = 0;
    double timed_iterations_ = 0;
    Clock::time_point phase_begin_;
    bool in_training_ = false;
};

}  // namespace

AILAB_REGISTER_HOOK(LoggerHook,
                    "Logs to the console, train.log and metrics.jsonl on rank 0 (priority 60)")

}  // namespace ailab
