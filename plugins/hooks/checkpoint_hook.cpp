#include <algorithm>
#include <charconv>
#include <filesystem>

#include "ailab/ailab.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

/// The number of "epoch_12" after the prefix "epoch_", or nothing.
std::optional<int64_t> number_after(const std::string& name, const std::string& prefix) {
    if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
    int64_t number = 0;
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + prefix.size(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return number;
}

class CheckpointHook final : public Hook {
  public:
    struct Options {
        int64_t interval = 1;
        std::string by = "epoch";
        std::optional<std::string> save_dir;
        bool save_last = true;
        std::optional<int64_t> keep_last;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "epochs or iterations from one to the next",
                     at_least(1));
            v.option("by", by, "what the interval counts", one_of({"epoch", "iter"}));
            v.option("save_dir", save_dir,
                     "folder of the checkpoints; by default checkpoints/ in the run's folder");
            v.option("save_last", save_last, "write one at the end of the run too");
            v.option("keep_last", keep_last,
                     "remove all but the newest so many; by default all are kept", at_least(2));
        }
    };

    explicit CheckpointHook(const Options& options) : o(options), by_epoch_(o.by == "epoch") {}

    int default_priority() const override { return priority::very_low; }

    void before_run(Run& run) override {
        folder_ = o.save_dir.value_or(run.run_dir() + "/checkpoints");
        if (!o.save_dir) return;
        const std::string others = run.comm().broadcast_text(run.is_main() ? newest_there() : "");
        if (!others.empty())
            throw Error(concat("save_dir ", folder_, " holds checkpoints of another run already (",
                               others,
                               "). Choose another folder, or leave save_dir out: then each run "
                               "keeps its own in its folder"));
    }

    void after_train_iter(Run& run) override {
        if (!by_epoch_ && run.progress().step % o.interval == 0)
            save(run, "iter_", run.progress().step);
    }
    void after_train_epoch(Run& run) override {
        const Progress& progress = run.progress();
        const bool complete = progress.iter + 1 >= progress.iters;
        if (by_epoch_ && complete && (progress.epoch + 1) % o.interval == 0)
            save(run, "epoch_", progress.epoch + 1);
        else if (o.save_last && saved_step_ != progress.step && is_last(run))
            by_epoch_&& complete ? save(run, "epoch_", progress.epoch + 1)
                                 : save(run, "iter_", progress.step);
    }

    void after_run(Run& run) override {
        if (o.keep_last && run.is_main())
            for (const char* prefix : {"epoch_", "iter_"}) prune(prefix);
    }

  private:
    static bool is_last(Run& run) {
        const Progress& progress = run.progress();
        return !run.stop_reason().empty() ||
               (progress.total_epochs > 0 ? progress.epoch + 1 >= progress.total_epochs
                                          : progress.step >= progress.total_steps);
    }

    void save(Run& run, const char* prefix, int64_t number) {
        run.save_checkpoint(concat(folder_, "/", prefix, number));
        saved_step_ = run.progress().step;
        // Those before the one that is being written are complete.
        if (o.keep_last && run.is_main()) prune(prefix);
    }

    /// Names and numbers of the checkpoints in the folder, oldest first.
    std::vector<std::pair<int64_t, fs::path>> present(const std::string& prefix) const {
        std::vector<std::pair<int64_t, fs::path>> found;
        std::error_code none;  // a folder that is not there has none
        for (const auto& entry : fs::directory_iterator(folder_, none))
            if (const auto number = number_after(entry.path().filename(), prefix))
                found.emplace_back(*number, entry.path());
        std::sort(found.begin(), found.end());
        return found;
    }

    std::string newest_there() const {
        for (const char* prefix : {"epoch_", "iter_"})
            if (const auto found = present(prefix); !found.empty())
                return found.back().second.filename();
        return "";
    }

    void prune(const std::string& prefix) const {
        const auto found = present(prefix);
        for (size_t i = 0; i + size_t(*o.keep_last) < found.size(); ++i) {
            // Without its manifest a folder that is half removed is no checkpoint.
            std::error_code error;
            fs::remove(found[i].second / "manifest.json", error);
            if (!error) fs::remove_all(found[i].second, error);
            if (error)
                log_warning("cannot remove the old checkpoint ", found[i].second.string(), ": ",
                            error.message());
        }
    }

    const Options o;
    const bool by_epoch_;
    std::string folder_;
    int64_t saved_step_ = -1;
};

}  // namespace

AILAB_REGISTER_HOOK(CheckpointHook, "Writes checkpoints epoch_N or iter_N (priority 90)")

}  // namespace ailab
