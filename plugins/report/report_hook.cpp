#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "ailab/ailab.hpp"
#include "ailab/support/run_record.hpp"
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

    explicit ReportHook(const Options& options) : o(options) {}

    /// After the logger, whose lines are what the page shows.
    int default_priority() const override { return priority::very_low; }
    bool changes_evaluations() const override { return false; }
    std::vector<std::string> output_paths() const override { return {o.file}; }

    void before_run(Run& run) override {
        folder_ = run.run_dir();
        written_ = Clock::now();
    }

    void before_val_epoch(Run& run) override { found_ = run.task().findings(o.worst); }
    void before_test_epoch(Run& run) override { found_ = run.task().findings(o.worst); }
    void after_val_iter(Run& run) override { add(run); }
    void after_test_iter(Run& run) override { add(run); }
    void after_val_epoch(Run& run) override { evaluated(run); }
    void after_test_epoch(Run& run) override { evaluated(run); }
    void abandon_evaluation(Run&) override { found_.reset(); }

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
    void add(Run& run) {
        if (found_ && run.batch().size > 0) found_->add(run.batch());
    }

    /// Collective.
    void evaluated(Run& run) {
        const std::string phase = phase_name(run.progress().phase);
        if (found_) found_->gather(run.comm(), *run.dataset(run.progress().phase));
        if (!run.is_main()) return;
        if (found_) {
            if (const std::string text = found_->text(phase); !text.empty()) log_info(text);
            findings_[phase] = std::move(found_);
        }
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
    void write(const report::FindingsByPhase& findings) {
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

    const Options o;
    std::string folder_;
    std::unique_ptr<Findings> found_;  // by the present evaluation
    report::FindingsByPhase findings_;
    Clock::time_point written_;
    bool warned_ = false;
    Background writer_;  // ends before what it writes
};

}  // namespace

AILAB_REGISTER_HOOK(ReportHook,
                    "Writes report.html: curves, confusion matrix, worst samples (priority 90)")

}  // namespace ailab
