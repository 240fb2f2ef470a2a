#include <algorithm>
#include <filesystem>
#include <map>

#include "csv_log.hpp"
#include "options/limits.hpp"
#include "trackers/log_folder.hpp"
#include "trackers/training_scalars.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

class CSVHook final : public Hook {
  public:
    struct Options {
        int64_t interval = 10;
        GivenFolder log_dir;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "training iterations from one row to the next",
                     steps_from(1));
            v.option("log_dir", log_dir,
                     "folder that gets a folder a run, and links to the newest run's train.csv, "
                     "val.csv and test.csv; by default they are in the run's folder");
        }
    };

    explicit CSVHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    std::vector<std::string> output_paths() const override {
        std::vector<std::string> paths;
        for (const std::string& phase : phase_names())
            paths.push_back((fs::path(o.log_dir.value.value_or("")) / file_name(phase)).string());
        return paths;
    }
    void check(const RunPlan& plan, Problems&) override {
        for (const Phase phase : plan.phases) files_.push_back(file_name(phase_name(phase)));
    }

    void before_run(Run& run) override {
        scalars_.begin(run, saved_);
        if (!run.is_main()) return;
        folder_ = log_folder(run, o.log_dir);
        if (!run.resumed_from().empty()) cut_back(double(run.progress().step));
        link_logs(run, o.log_dir, folder_, files_);
    }
    void after_train_iter(Run& run) override {
        if (scalars_.is_due(run)) write(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (scalars_.has_rest()) write(run, scalars_.take(run));
    }
    void after_val_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }
    void after_test_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }

    // What was written after the checkpoint is of a run that was lost, and comes again.
    void before_save_checkpoint(Run& run, const std::string&) override {
        scalars_.mark(run);
        writer_.finish();
        extents_ = Node::map();
        for (const auto& [phase, table] : tables_) {
            const CsvLog::Extent extent = table->extent();
            extents_.set(phase, Node::list({Node(extent.rows), Node(extent.columns)}));
        }
    }
    State save_state() const override {
        State state;
        scalars_.save(state.values);
        state.values.set("tables", extents_);
        return state;
    }
    void load_state(const State& state) override { saved_ = state.values; }

  private:
    static std::string file_name(const std::string& phase) { return phase + ".csv"; }

    /// The tables that are there, as they were at the checkpoint.
    void cut_back(double step) {
        const Node* saved = saved_.find("tables");
        for (const std::string& phase : phase_names()) {
            const std::string path = (fs::path(folder_) / file_name(phase)).string();
            const Node* extent = saved ? saved->find(phase) : nullptr;
            if (!extent && !fs::exists(path)) continue;
            auto table = std::make_unique<CsvLog>(path);
            if (!saved) {
                table->cut_behind(step);  // a checkpoint of an older ailab
            } else if (!extent) {
                table->cut({});
            } else if (const Node::List& counts = extent->items();
                       !table->cut({counts.at(0).as_int(), counts.at(1).as_int()})) {
                log_warning(path,
                            " has not what it had when the checkpoint was written; the rows of "
                            "this run are added to what is there");
            }
            tables_[phase] = std::move(table);
        }
    }

    void write(Run& run, const NamedScalars& values) {
        if (!run.is_main() || values.empty()) return;
        const std::string phase = phase_name(run.progress().phase);
        CsvLog::Row row = {{"step", double(run.progress().step)},
                           {"epoch", double(run.progress().epoch + 1)}};
        for (const auto& [name, value] : values)
            row.emplace_back(name.substr(phase.size() + 1), value);
        writer_.post([this, phase, row = std::move(row)] {
            try {
                auto table = tables_.find(phase);
                if (table == tables_.end())
                    table =
                        tables_
                            .emplace(phase, std::make_unique<CsvLog>(
                                                (fs::path(folder_) / file_name(phase)).string()))
                            .first;
                table->second->add(row);
            } catch (const Error& error) {
                if (!std::exchange(warned_, true))
                    log_warning(error.what(),
                                "; the training goes on without the rows that are lost");
            }
        });
    }

    const Options o;
    TrainingScalars scalars_;
    std::vector<std::string> files_;  // that the workflow's phases will have
    std::string folder_;
    Node saved_ = Node::map();                               // in the checkpoint
    Node extents_ = Node::map();                             // of the tables, when one is written
    std::map<std::string, std::unique_ptr<CsvLog>> tables_;  // the writer's, while that works
    bool warned_ = false;
    Background writer_;  // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(CSVHook, "Writes scalars to train.csv, val.csv and test.csv (priority 60)")

}  // namespace ailab
