#include <filesystem>
#include <limits>
#include <map>

#include "csv_table.hpp"
#include "trackers/training_scalars.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

class CSVHook final : public Hook {
  public:
    struct Options {
        int64_t interval = 10;
        std::optional<std::string> log_dir;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "training iterations from one row to the next",
                     at_least(1));
            v.option("log_dir", log_dir,
                     "folder of train.csv, val.csv and test.csv; by default the run's folder");
        }
    };

    explicit CSVHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    std::vector<std::string> output_paths() const override {
        std::vector<std::string> paths;
        for (const char* phase : {"train", "val", "test"})
            paths.push_back((fs::path(o.log_dir.value_or("")) / concat(phase, ".csv")).string());
        return paths;
    }

    void before_run(Run& run) override {
        scalars_.begin(run);
        if (run.is_main()) folder_ = run.output_folder(o.log_dir, "");
    }
    void after_train_iter(Run& run) override {
        if (scalars_.is_due(run)) write(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (scalars_.has_rest(run)) write(run, scalars_.take(run));
    }
    void after_val_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }
    void after_test_epoch(Run& run) override { write(run, TrainingScalars::results(run)); }
    /// What was written after this step is of a run that was lost, and comes again.
    void after_load_checkpoint(Run& run, const std::string&) override {
        scalars_.forget();
        writer_.finish();
        tables_.clear();
        last_step_ = double(run.progress().step);
    }

  private:
    void write(Run& run, const NamedScalars& values) {
        if (!run.is_main() || values.empty()) return;
        const std::string phase = phase_name(run.progress().phase);
        CsvTable::Row row = {{"step", double(run.progress().step)},
                             {"epoch", double(run.progress().epoch + 1)}};
        for (const auto& [name, value] : values)
            row.emplace_back(name.substr(phase.size() + 1), value);
        writer_.post([this, phase, row = std::move(row)] {
            try {
                auto& table = tables_[phase];
                if (!table)
                    table = std::make_unique<CsvTable>(
                        (fs::path(folder_) / (phase + ".csv")).string(), last_step_);
                table->add(row);
            } catch (const Error& error) {
                if (!std::exchange(warned_, true))
                    log_warning(error.what(),
                                "; the training goes on without the rows that are lost");
            }
        });
    }

    const Options o;
    TrainingScalars scalars_;
    std::string folder_;
    double last_step_ =
        -std::numeric_limits<double>::infinity();              // to keep of files that are there
    std::map<std::string, std::unique_ptr<CsvTable>> tables_;  // the writer's
    bool warned_ = false;
    Background writer_;  // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(CSVHook, "Writes scalars to train.csv, val.csv and test.csv (priority 60)")

}  // namespace ailab
