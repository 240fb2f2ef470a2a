#include <filesystem>
#include <fstream>
#include <set>

#include "options/limits.hpp"
#include "options/output_folder.hpp"
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
        GivenFolder log_dir;
        void visit(OptionVisitor& v) {
            v.option("project", project, "of SwanLab");
            v.option("workspace", workspace, "of SwanLab; by default the user's own");
            v.option("name", name, "of the experiment; by default the run's folder's");
            v.option("description", description, "of the experiment");
            v.option("tags", tags, "of the experiment");
            v.option("group", group, "of experiments that belong together");
            v.option("interval", interval, "training iterations from one point to the next",
                     steps_from(1));
            v.option("log_dir", log_dir, "in place of the run's folder");
        }
    };

    explicit SwanLabHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    bool for_training_only() const override { return true; }
    std::vector<std::string> output_paths() const override {
        return {(fs::path(o.log_dir.value.value_or("")) / "swanlog").string()};
    }

    void before_save_checkpoint(Run& run, const std::string&) override {
        scalars_.mark(run);
        writer_.finish();
        saved_size_ = log_.size();
    }
    State save_state() const override {
        State state;
        scalars_.save(state.values);
        Node::List columns;
        for (const std::string& column : columns_) columns.push_back(Node::string(column));
        state.values.set("id", Node::string(facts_.id));
        state.values.set("folder", Node::string(fs::path(folder_).filename().string()));
        state.values.set("bytes", Node(saved_size_));
        state.values.set("records", Node(number_));
        state.values.set("columns", Node::list(std::move(columns)));
        return state;
    }
    void load_state(const State& state) override { saved_ = state.values; }

    void before_run(Run& run) override {
        scalars_.begin(run, saved_);
        if (!run.is_main()) return;
        if (!run.dry_run()) make_output_folder(o.log_dir, "log_dir");
        const fs::path parent = fs::path(run.output_folder(o.log_dir.value, "")) / "swanlog";
        facts_ = {random_run_id(), o.project, o.workspace, o.name, o.description, o.tags, o.group};
        if (facts_.name.empty()) facts_.name = fs::path(run.run_dir()).filename().string();
        if (!go_on(parent)) begin(run, parent);
        log_info("SwanLab: offline; upload the run with: swanlab sync ", folder_);
    }

    void after_train_iter(Run& run) override {
        if (scalars_.is_due(run)) write(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (scalars_.has_rest()) write(run, scalars_.take(run));
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
    /// With the file of the run that was stopped, where its checkpoint was written: SwanLab takes a
    /// step of a curve once, so what came later is cut off. False where there is no such file.
    bool go_on(const fs::path& parent) {
        const Node* folder = saved_.find("folder");
        if (!folder) return false;
        const fs::path path = parent / folder->as_string();
        const std::string id = saved_.find("id")->as_string();
        const fs::path file = path / concat("run-", id, ".swanlab");
        if (!log_.go_on(file, saved_.find("bytes")->as_int())) {
            if (fs::exists(file))
                log_warning(file.string(),
                            " has not what it had when the checkpoint was written, or is damaged; "
                            "the run goes on as another experiment of its group");
            return false;
        }
        folder_ = path.string();
        facts_.id = id;
        number_ = saved_.find("records")->as_int();
        for (const Node& column : saved_.find("columns")->items())
            columns_.insert(column.as_string());
        return true;
    }

    /// A run that goes on without the file of its first part is another experiment of its group.
    void begin(Run& run, const fs::path& parent) {
        if (const Node* id = saved_.find("id"); id && facts_.group.empty())
            facts_.group = id->as_string();
        folder_ =
            (parent / concat("run-", time_text(time_t(unix_time())), "-", facts_.id)).string();
        std::error_code error;
        fs::create_directories(fs::path(folder_) / "files", error);
        if (error)
            throw Error(concat("cannot create the folder ", folder_, ": ", error.message(),
                               "; choose another with log_dir"));
        log_.open(concat(folder_, "/run-", facts_.id, ".swanlab"));
        const std::string config = folder_ + "/files/config.yaml";
        std::ofstream file(config, std::ios::binary);
        if (!(file << config_text(run.config()) << std::flush))
            log_warning("cannot write ", config,
                        ". The training goes on; SwanLab will miss this file");
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
    Node saved_ = Node::map();  // in the checkpoint
    int64_t saved_size_ = 0;    // of the file, when a checkpoint is written
    std::string folder_;
    TransactionLog log_{swanlab_log};
    std::set<std::string> columns_;  // the writer's
    int64_t number_ = 0;             // the writer's
    Background writer_;              // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(SwanLabHook, "Logs to SwanLab, offline, for `swanlab sync` (priority 60)")

}  // namespace ailab
