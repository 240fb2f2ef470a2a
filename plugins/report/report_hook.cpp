#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "ailab/run_record.hpp"
#include "options/limits.hpp"
#include "run_page.hpp"

namespace ailab {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

class ReportHook final : public Hook {
  public:
    static constexpr Role role = roles::report;

    struct Options {
        double interval = 60;
        int64_t worst = 24;
        std::string file = "report.html";
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "seconds of training until the page is written again",
                     steps_from(1));
            v.option("worst", worst, "samples that are shown which the model was most wrong about",
                     between(0, 200));
            v.option("file", file, "name of the page in the run's folder");
        }
    };

    explicit ReportHook(const Options& options) : o(options), worst_(size_t(options.worst)) {}

    /// After the logger, whose lines are what the page shows.
    int default_priority() const override { return priority::very_low; }
    bool changes_evaluations() const override { return false; }
    std::vector<std::string> output_paths() const override { return {o.file}; }

    void before_run(Run& run) override {
        folder_ = run.run_dir();
        written_ = Clock::now();
    }

    void before_val_epoch(Run&) override { begin(); }
    void before_test_epoch(Run&) override { begin(); }
    void after_val_iter(Run& run) override { add(run); }
    void after_test_iter(Run& run) override { add(run); }
    void after_val_epoch(Run& run) override { evaluated(run); }
    void after_test_epoch(Run& run) override { evaluated(run); }
    void abandon_evaluation(Run&) override { begin(); }

    void after_train_iter(Run& run) override {
        if (!run.is_main() || Clock::now() - written_ < std::chrono::duration<double>(o.interval))
            return;
        written_ = Clock::now();
        post();
    }
    void after_train_epoch(Run& run) override {
        if (run.is_main()) post();
    }
    void after_run(Run& run) override { finish(run); }
    void on_exception(Run& run, const std::string&) override { finish(run); }

  private:
    void begin() {
        confusion_.clear();
        worst_.clear();
    }

    void add(Run& run) {
        if (run.batch().size == 0) return;
        const auto verdicts = report::judge(run.batch());
        if (!verdicts) return;
        confusion_.add(*verdicts);
        worst_.add(*verdicts);
    }

    /// Collective.
    void evaluated(Run& run) {
        confusion_.reduce(run.comm());
        worst_.gather(run.comm());
        if (!run.is_main()) return;
        const Dataset& dataset = *run.dataset(run.progress().phase);
        report::Findings found;
        found.phase = phase_name(run.progress().phase);
        found.class_names = dataset.class_names();
        found.confusion = confusion_;
        for (const report::Verdict& verdict : worst_.samples())
            found.worst.push_back({verdict, dataset.sample_name(verdict.id),
                                   report::picture_of(dataset, verdict.id)});
        if (confusion_.empty()) return post();
        if (found.confusion.classes() <= most_listed) log_info(report::per_class_text(found));
        findings_[found.phase] = std::move(found);
        post();
    }

    void post() {
        writer_.post([this, findings = findings_] { write(findings); });
    }

    void finish(Run& run) {
        if (!run.is_main() || folder_.empty()) return;
        post();
        writer_.finish();
    }

    /// On the writer's thread. Complete, or what was there before.
    void write(const std::map<std::string, report::Findings>& findings) {
        const fs::path path = fs::path(folder_) / o.file,
                       fresh = concat(path.string(), ".tmp-", int64_t(getpid()));
        try {
            std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
            file << report::run_page(read_run(folder_), findings).html();
            file.close();
            if (!file) throw Error("writing failed");
            fs::rename(fresh, path);
        } catch (const std::exception& error) {
            if (!std::exchange(warned_, true))
                log_warning("the report cannot be written to ", path.string(), ": ", error.what());
        }
    }

    static constexpr int64_t most_listed = 100;

    const Options o;
    std::string folder_;
    report::Confusion confusion_;
    report::WorstSamples worst_;
    std::map<std::string, report::Findings> findings_;  // by phase
    Clock::time_point written_;
    bool warned_ = false;
    Background writer_;  // ends before what it writes
};

}  // namespace

AILAB_REGISTER_HOOK(ReportHook,
                    "Writes report.html: curves, confusion matrix, worst samples (priority 90)")

}  // namespace ailab
