#include <filesystem>
#include <fstream>
#include <set>

#include "records.hpp"
#include "trackers/run_names.hpp"
#include "trackers/training_scalars.hpp"
#include "trackers/transaction_log.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using swanlab::RunState;

/// A JSON text is YAML too: each key with its value, as the client writes them.
std::string config_text(const Node& config) {
    std::string text;
    int64_t sort = 0;
    for (const Member& member : config.members())
        text += concat(member.key, ":\n  desc: ''\n  sort: ", sort++,
                       "\n  value: ", member.value.flow(), "\n");
    return text;
}

class SwanLabHook final : public Hook {
  public:
    struct Options {
        std::string project = "ailab";
        std::string workspace;
        std::string name;
        std::string description;
        std::vector<std::string> tags;
        std::string group;
        int64_t interval = 10;
        std::optional<std::string> log_dir;
        void visit(OptionVisitor& v) {
            v.option("project", project, "of SwanLab");
            v.option("workspace", workspace, "of SwanLab; by default the user's own");
            v.option("name", name, "of the experiment; by default the run's folder's");
            v.option("description", description, "of the experiment");
            v.option("tags", tags, "of the experiment");
            v.option("group", group, "of experiments that belong together");
            v.option("interval", interval, "training iterations from one point to the next",
                     at_least(1));
            v.option("log_dir", log_dir, "in place of the run's folder");
        }
    };

    explicit SwanLabHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    bool for_training_only() const override { return true; }
    std::vector<std::string> output_paths() const override {
        return {(fs::path(o.log_dir.value_or("")) / "swanlog").string()};
    }

    State save_state() const override {
        State state;
        state.values.set("id", Node::string(facts_.id));
        return state;
    }
    void load_state(const State& state) override {
        if (const Node* id = state.values.find("id")) saved_id_ = id->as_string();
        scalars_.forget();
    }

    void before_run(Run& run) override {
        scalars_.begin(run);
        if (!run.is_main()) return;
        // SwanLab takes a step of a curve once. A run that goes on is another experiment of the
        // same group, so that no point is lost or doubled.
        facts_ = {random_run_id(), o.project, o.workspace, o.name, o.description, o.tags, o.group};
        if (facts_.name.empty()) facts_.name = fs::path(run.run_dir()).filename().string();
        if (!saved_id_.empty() && facts_.group.empty()) facts_.group = saved_id_;
        open(run);
        log_info("SwanLab: offline; upload the run with: swanlab sync ", folder_);
    }

    void after_train_iter(Run& run) override {
        if (scalars_.is_due(run)) write(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (scalars_.has_rest(run)) write(run, scalars_.take(run));
    }
    void after_val_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }
    void after_test_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }

    void after_run(Run& run) override {
        end(run.stop_reason().empty() ? RunState::finished : RunState::aborted, run.stop_reason());
    }
    void on_exception(Run&, const std::string& message) override {
        end(RunState::crashed, message);
    }

  private:
    void open(Run& run) {
        folder_ = (fs::path(run.output_folder(o.log_dir, "")) / "swanlog" /
                   concat("run-", time_text(time_t(unix_time())), "-", facts_.id))
                      .string();
        fs::create_directories(fs::path(folder_) / "files");
        log_.open(concat(folder_, "/run-", facts_.id, ".swanlab"));
        const std::string config = folder_ + "/files/config.yaml";
        std::ofstream(config) << config_text(run.config());
        log_.append(swanlab::start_record(facts_, unix_time()));
        log_.append(swanlab::config_record(fs::absolute(config).string(), unix_time()));
    }

    void write(Run& run, const NamedScalars& values) {
        if (!log_.is_open()) return;
        writer_.post([this, values, step = run.progress().step, time = unix_time()] {
            for (const auto& [key, value] : values) {
                if (columns_.insert(key).second)
                    log_.append(swanlab::column_record(++number_, key, time));
                log_.append(swanlab::scalar_record(++number_, key, step, value, time));
            }
        });
    }

    void end(RunState state, const std::string& reason) {
        if (!log_.is_open()) return;
        writer_.finish();
        log_.append(swanlab::finish_record(state, reason, unix_time()));
        log_.close();
    }

    const Options o;
    TrainingScalars scalars_;
    swanlab::RunFacts facts_;
    std::string saved_id_;
    std::string folder_;
    TransactionLog log_{swanlab_log};
    std::set<std::string> columns_;  // the writer's
    int64_t number_ = 0;             // the writer's
    Background writer_;              // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(SwanLabHook, "Logs to SwanLab, offline, for `swanlab sync` (priority 60)")

}  // namespace ailab
