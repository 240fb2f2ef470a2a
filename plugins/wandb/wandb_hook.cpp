#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "ailab/ailab.hpp"
#include "earlier_starts.hpp"
#include "init_args.hpp"
#include "options/limits.hpp"
#include "points.hpp"
#include "records.hpp"
#include "run_files.hpp"
#include "settings.hpp"
#include "trackers/run_names.hpp"
#include "trackers/training_scalars.hpp"
#include "uploader.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

using namespace wandb;

constexpr const char* config_file = "ailab-config.yaml";  // config.yaml is the client's own

class WandbHook final : public Hook {
  public:
    struct Options {
        InitArgs init_args;
        int64_t interval = 10;
        double finish_timeout = 30;
        void visit(OptionVisitor& v) {
            v.option("init_args", init_args,
                     "the arguments of wandb.init: project, entity, name, group, job_type, tags, "
                     "notes, mode, id, resume, dir");
            v.option("interval", interval, "training iterations from one point to the next",
                     steps_from(1));
            v.option("finish_timeout", finish_timeout,
                     "seconds that the end of the run waits for the upload (mode: online)",
                     between(0, 1e6));
        }
    };

    explicit WandbHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    bool for_training_only() const override { return true; }

    std::vector<std::string> output_paths() const override {
        if (o.init_args.mode == "disabled") return {};
        const auto& dir = o.init_args.dir.value;
        return {dir ? (fs::absolute(*dir) / "wandb").string() : "wandb"};
    }

    void before_save_checkpoint(Run& run, const std::string&) override {
        if (logs_) scalars_.mark(run);
    }
    State save_state() const override {
        State state;
        if (start_.id.empty()) return state;  // not rank 0, or disabled
        scalars_.save(state.values);
        state.values.set("id", Node::string(start_.id));
        state.values.set("runtime", Node(runtime()));
        points_.save(state.values);
        return state;
    }
    void load_state(const State& state) override { saved_ = state.values; }

    void before_run(Run& run) override {
        if (run.is_main()) settings_ = resolve(o.init_args, process_environment);
        // Other hosts may have other environment variables.
        logs_ = run.comm().broadcast_text(settings_.mode == Mode::disabled ? "" : "logs") == "logs";
        if (!logs_) return;
        scalars_.begin(run, saved_);
        if (run.is_main()) begin(run);
    }

    void after_train_iter(Run& run) override {
        if (!logs_) return;
        const Progress& progress = run.progress();
        // Evaluations after a step belong to its row; now there can be no more of them.
        if (points_.has_row_before(progress.step)) write_row();
        if (scalars_.is_due(run)) take(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (logs_ && scalars_.has_rest()) take(run, scalars_.take(run));
    }
    void after_val_epoch(Run& run) override {
        if (logs_) take(run, TrainingScalars::results(run));
    }
    void after_test_epoch(Run& run) override { after_val_epoch(run); }

    void after_run(Run&) override {
        constexpr int success = 0;
        end(success, o.finish_timeout);
    }
    void on_exception(Run&, const std::string&) override {
        constexpr int failure = 1;
        constexpr double patience = 3;  // seconds: the whole job waits to end
        end(failure, std::min(patience, o.finish_timeout));
    }

  private:
    // ---- the run's begin and end, on rank 0

    void begin(Run& run) {
        if (!o.init_args.ignored.members().empty()) warn_of_ignored();
        if (run.dry_run() && settings_.mode == Mode::online) {
            settings_.mode = Mode::offline;
            settings_.why_offline = "a dry run leaves nothing outside of its folder";
        }
        if (!run.dry_run()) make_output_folder(o.init_args.dir, "dir");
        const std::string folder =
            (fs::path(run.output_folder(settings_.dir, "")) / "wandb").string();
        start_.id = settings_.id.empty() ? random_run_id() : settings_.id;
        start_.time = unix_time();
        if (!run.resumed_from().empty()) go_on(run, folder);
        begin_ = Clock::now();
        files_.open(folder, start_);
        writes_ = true;
        write_head(run);
        if (settings_.mode == Mode::online) start_upload();
        say_start();
    }

    void warn_of_ignored() const {
        std::vector<std::string> names;
        for (const Member& member : o.init_args.ignored.members()) names.push_back(member.key);
        log_warning("WandbHook: these arguments of wandb.init have no effect here: ", join(names));
    }

    /// The same W&B run as before the checkpoint, unless the configuration names another.
    void go_on(Run& run, const std::string& folder) {
        const Node* id = saved_.find("id");
        if (!id || (!settings_.id.empty() && settings_.id != id->as_string())) return;
        start_.id = id->as_string();
        start_.resumed = true;
        start_.earlier_seconds = saved_.find("runtime")->as_float();
        points_.load(saved_);
        points_.skip_until(cut_earlier_starts(folder, start_.id, points_.last_step()));
        start_.first_step = points_.last_step() + 1;
        if (points_.last_step() > run.progress().step)
            log_info("W&B has run ", start_.id, " until step ", points_.last_step(),
                     " already; its charts go on from there");
    }

    void write_head(Run& run) {
        writer_.post([this, config = run.config(), text = run.config_text(),
                      summary = points_.summary(),
                      last = Row{points_.last_step(), start_.time, start_.earlier_seconds, {}}] {
            files_.write(header_record());
            files_.write(run_record(settings_, start_, config));
            files_.write(environment_record(start_));
            files_.save(config_file, text);
            for (const auto& [name, entry] : summary)
                if (shows_best(name)) files_.write(metric_record(name));
            if (!summary.empty()) files_.write(summary_record(last, summary));
        });
    }

    void say_start() const {
        if (settings_.mode == Mode::online)
            log_info("W&B: run ", start_.id, " of project ", settings_.project,
                     " is being uploaded from ", files_.folder());
        else
            log_info("W&B: offline",
                     settings_.why_offline.empty() ? "" : ", since " + settings_.why_offline,
                     "; upload the run with: wandb sync ", files_.folder());
    }

    void start_upload() {
        if (settings_.client.empty()) {
            log_warning(
                "W&B: mode is online and the command `wandb` is neither on PATH nor named by "
                "WANDB_CLI (pip install wandb). The run is kept; upload it with: wandb sync ",
                files_.folder());
            settings_.mode = Mode::offline;
            return;
        }
        std::vector<std::pair<std::string, std::string>> variables = {
            {"WANDB_MODE", "online"},
            {"WANDB_DIR", fs::path(files_.folder()).parent_path().parent_path().string()}};
        std::string resume = settings_.resume;
        if (resume.empty() ? start_.resumed : resume == "auto") resume = "allow";
        if (!resume.empty()) variables.emplace_back("WANDB_RESUME", resume);
        try {
            uploader_.start(settings_.client, files_.folder(), files_.upload_log(), variables);
            uploads_ = true;
        } catch (const Error& error) {
            warn_of_upload(error.what());
        }
    }

    void warn_of_upload(const std::string& what) {
        uploads_ = false;
        log_warning("W&B: ", what,
                    ". The run itself is unharmed; upload it when it has ended with: wandb sync ",
                    files_.folder());
    }

    void end(int exit_code, double patience) {
        if (!writes_) return;
        writes_ = false;
        write_row();
        writer_.post([this, exit_code, seconds = runtime()] {
            files_.write(exit_record(exit_code, seconds));
            files_.close();
        });
        writer_.finish();
        if (!uploads_) return;
        const bool ended = uploader_.wait(patience);
        if (files_.is_uploaded()) {
            log_info("W&B: run ", start_.id, " is uploaded");
        } else if (ended) {
            warn_of_upload("the client's upload ended " + uploader_.ending());
        } else {
            warn_of_upload(concat("the upload did not end in ", patience,
                                  " s (finish_timeout) and is broken off"));
        }
        uploader_.stop();
    }

    // ---- what the training thread copies

    void take(Run& run, NamedValues values) {
        if (!writes_ || values.empty()) return;
        values.emplace_back("epoch", double(run.progress().epoch + 1));
        const int64_t step = run.progress().step;
        if (points_.has_row_before(step)) write_row();
        points_.add(step, unix_time(), runtime(), values);
    }

    void write_row() {
        const std::optional<Points::Change> change = points_.take();
        if (!change) return;
        writer_.post([this, change = *change] {
            for (const std::string& name : change.new_names)
                if (shows_best(name)) files_.write(metric_record(name));
            files_.write(history_record(change.row));
            files_.write(summary_record(change.row, change.summary));
            if (uploads_ && !uploader_.runs())
                warn_of_upload("the client's upload ended " + uploader_.ending());
        });
    }

    /// Seconds of the run, all its starts together.
    double runtime() const {
        return start_.earlier_seconds +
               std::chrono::duration<double>(Clock::now() - begin_).count();
    }

    using Clock = std::chrono::steady_clock;

    const Options o;
    Node saved_ = Node::map();
    Settings settings_;
    bool logs_ = false;
    RunStart start_;
    Clock::time_point begin_;
    TrainingScalars scalars_;
    bool writes_ = false;  // rank 0, while the run lasts
    Points points_;
    RunFiles files_;
    Uploader uploader_;
    bool uploads_ = false;  // the writer's, while that works
    Background writer_;     // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(WandbHook,
                    "Logs to Weights & Biases, online or offline, on rank 0 (priority 60)")

}  // namespace ailab
