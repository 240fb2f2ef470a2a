#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "ailab/ailab.hpp"
#include "monitor.hpp"
#include "never_due.hpp"
#include "options/limits.hpp"
#include "options/output_folder.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

/// The number at the end of "epoch_12", after the prefix "epoch_", or nothing.
std::optional<int64_t> number_after(const std::string& name, const std::string& prefix) {
    if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
    int64_t number = 0;
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + prefix.size(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return number;
}

/// "best_top1_"; a result may have any name, a folder not.
std::string best_prefix(std::string result) {
    std::replace(result.begin(), result.end(), '/', '_');
    return "best_" + result + "_";
}

/// Whether a checkpoint is the best by the result of this prefix, and not by another whose name
/// begins alike: best_loss_epoch_3, not best_loss_cls_epoch_3.
bool is_best_of(const std::string& prefix, const std::string& name) {
    return number_after(name, prefix + "epoch_") || number_after(name, prefix + "iter_");
}

class CheckpointHook final : public Hook {
  public:
    struct Options {
        Placed<int64_t> interval{1, {}};
        std::string by = "epoch";
        GivenFolder save_dir;
        Placed<bool> save_last{true, {}};
        std::optional<int64_t> keep_last;
        std::optional<ResultName> save_best;
        std::optional<std::string> rule;
        bool save_weights = false;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "epochs or training iterations from one to the next",
                     steps_from(1));
            v.option("by", by, "what the interval counts", one_of({"epoch", "iter"}));
            v.option("save_dir", save_dir,
                     "folder of the checkpoints; by default checkpoints/ in the run's folder");
            v.option("save_last", save_last, "write one at the end of the run too");
            v.option("keep_last", keep_last,
                     "remove all but the newest so many of those that led to where the run stands; "
                     "by default all are kept",
                     steps_from(2));
            v.option("save_best", save_best,
                     "the result of val by which the best one is kept, such as top1");
            v.option(
                "rule", rule,
                "whether that is better when greater or less; if not given as its metric says, "
                "else by what its name tells",
                monitor_rules());
            v.option(
                "save_weights", save_weights,
                "beside each checkpoint, its weights alone as <name>.safetensors (the averages, "
                "with EMAHook), for use elsewhere");
        }
    };

    explicit CheckpointHook(const Options& options) : o(options), by_epoch_(o.by == "epoch") {
        if (o.save_best) best_.emplace(*o.save_best, Phase::val, o.rule);
    }

    int default_priority() const override { return priority::very_low; }
    bool for_training_only() const override { return true; }

    void check(const RunPlan& plan, Problems& problems) override {
        if (!best_) return;
        best_->check(plan, problems);
        best_->require_rule(problems);
    }
    void check_results(const RunPlan& plan, Problems& problems) override {
        if (best_) best_->check_results(plan, problems);
    }
    std::vector<std::string> output_paths() const override {
        return {o.save_dir.value.value_or("checkpoints")};
    }

    void before_run(Run& run) override {
        if (run.is_main() && !run.dry_run()) make_output_folder(o.save_dir, "save_dir");
        folder_ = run.output_folder(o.save_dir.value, "checkpoints");
        run.set_checkpoint_folder(folder_);
        saved_iter_ = run.progress().train_iter;
        saved_step_ = run.resumed_from().empty() ? -1 : run.progress().step;
        if (!run.resumed_from().empty()) look_back(run);
        if (best_) best_->warn_of_rule(run);
        if (best_) log_info("the best checkpoint is that of ", best_->describe());
        warn_if_never(run);
        if (!o.save_dir.value || !run.resumed_from().empty()) return;
        const std::string others = run.comm().broadcast_text(run.is_main() ? newest_there() : "");
        if (!others.empty())
            throw ConfigError(
                {{o.save_dir.place,
                  concat("save_dir ", folder_, " holds checkpoints of another run already (",
                         others,
                         "). Choose another folder, or leave save_dir out: then each run "
                         "keeps its own in its folder")}});
    }

    void before_train_epoch(Run& run) override {
        // Of an epoch whose last step was taken before the run was stopped there is a checkpoint,
        // but not one of the epoch's end.
        const Progress& progress = run.progress();
        if (progress.iter > 0 && progress.iter >= progress.iters) saved_step_ = -1;
    }
    void after_train_iter(Run& run) override {
        const Progress& progress = run.progress();
        if (by_epoch_ || !progress.stepped) return;
        // With accumulation a step may reach over the iteration at which one is due.
        if (progress.train_iter / o.interval.value == saved_iter_ / o.interval.value) return;
        save(run, "iter_", progress.train_iter);
    }
    void after_train_epoch(Run& run) override {
        const Progress& progress = run.progress();
        const bool complete = progress.iter + 1 >= progress.iters;
        if (by_epoch_ && complete && (progress.epoch + 1) % o.interval.value == 0)
            save(run, "epoch_", progress.epoch + 1);
        else if (o.save_last.value && saved_step_ != progress.step && is_last(run))
            by_epoch_&& complete ? save(run, "epoch_", progress.epoch + 1)
                                 : save(run, "iter_", progress.train_iter);
    }

    void after_val_epoch(Run& run) override {
        if (!best_) return;
        const double value = best_->value(run);
        if (best_value_ && !best_->better(value, *best_value_)) return;
        best_value_ = value;
        const Progress& progress = run.progress();
        best_name_ =
            concat(best_prefix(best_->name()), by_epoch_ ? concat("epoch_", progress.epoch + 1)
                                                         : concat("iter_", progress.train_iter));
        log_info("the best ", best_->name(), " so far: ", value);
        write(run, best_name_);
    }

    /// Also of those that the run takes by itself.
    void before_save_checkpoint(Run& run, const std::string& path) override {
        saved_step_ = run.progress().step;
        if (fs::path(path).parent_path() == fs::path(folder_)) note(fs::path(path).filename());
    }

    void after_run(Run& run) override {
        // An evaluation may have ended the run early.
        const Progress& progress = run.progress();
        if (o.save_last.value && !run.stop_reason().empty() && saved_step_ != progress.step)
            save(run, "iter_", progress.train_iter);
        // The run has waited for what was being written.
        writing_.clear();
        if (run.is_main()) prune();
    }

    State save_state() const override {
        State state;
        state.values.set("best", best_value_ ? Node(*best_value_) : Node());
        state.values.set("best_name", Node::string(best_name_));
        state.values.set("best_of", best_ ? best_->save() : best_of_);
        Node names = Node::list();
        for (const std::string& name : saved_) names.items().push_back(Node::string(name));
        state.values.set("saved", std::move(names));
        return state;
    }
    void load_state(const State& state) override {
        const Node* value = state.values.find("best");
        const Node* name = state.values.find("best_name");
        const Node* names = state.values.find("saved");
        knows_saved_ = names && names->is_list();
        saved_.clear();
        if (knows_saved_)
            for (const Node& item : names->items()) saved_.push_back(item.as_string());
        if (!value || !name || !value->is_number() || !name->is_string()) return;  // none yet
        if (const Node* of = state.values.find("best_of")) best_of_ = *of;
        if (best_ && !is_of_monitor(name->as_string())) {
            log_info("the best checkpoint begins anew with ", best_->describe(),
                     ": the one so far, ", name->as_string(),
                     ", is by another result or rule, and "
                     "is kept");
            best_value_.reset();
            best_name_.clear();
            return;
        }
        best_value_ = value->as_float();
        best_name_ = name->as_string();
    }

  private:
    /// Whether the checkpoint's best one was chosen as this run chooses.
    bool is_of_monitor(std::string best_name) const {
        if (best_of_.is_map()) return best_->same_as(best_of_);
        // A checkpoint that does not say; its folder may have been one in another.
        std::replace(best_name.begin(), best_name.end(), '/', '_');
        return is_best_of(best_prefix(best_->name()), best_name);
    }

    static bool is_last(Run& run) {
        const Progress& progress = run.progress();
        return !run.stop_reason().empty() ||
               (progress.total_epochs > 0 ? progress.epoch + 1 >= progress.total_epochs
                                          : progress.train_iter >= progress.total_train_iters);
    }

    /// A run of which nothing would be left, but for what a signal asks for.
    void warn_if_never(Run& run) const {
        if (o.save_last.value || best_) return;
        const std::optional<int64_t> length =
            by_epoch_ ? most_epochs(run) : std::optional(run.progress().total_train_iters);
        const bool trains = run.progress().total_train_iters > 0;
        if (!trains || !length || o.interval.value <= *length) return;
        const bool given = !o.interval.place.str().empty();
        warn_of_no_effect(
            run, given ? o.interval.place : o.save_last.place,
            concat("CheckpointHook saves nothing: its interval is ", o.interval.value,
                   by_epoch_ ? " epochs" : " iterations", ", of which the run has ",
                   run.progress().total_epochs > 0 || !by_epoch_ ? "" : "at most ", *length,
                   ", and save_last is false. Lower the interval, or leave save_last out"));
    }

    void save(Run& run, const char* prefix, int64_t number) {
        write(run, concat(prefix, number));
        saved_step_ = run.progress().step;
        saved_iter_ = run.progress().train_iter;
    }

    void write(Run& run, const std::string& name) {
        const std::string path = concat(folder_, "/", name);
        note(name);
        writing_ = name;
        run.save_checkpoint(path);
        if (o.save_weights) run.save_weights(path + ".safetensors");
        // Those before the one that is being written are complete.
        if (run.is_main()) prune();
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

    void note(const std::string& name) {
        std::erase(saved_, name);
        saved_.push_back(name);
    }

    /// A run that goes on has of the folder's checkpoints those that led to where it stands; others
    /// are of a branch that was left behind and are not this run's to remove.
    void look_back(Run& run) {
        const Progress& progress = run.progress();
        if (!knows_saved_) {  // by a checkpoint that did not say
            for (const auto& [prefix, last] :
                 {std::pair("epoch_", progress.epoch + 1), std::pair("iter_", progress.train_iter)})
                for (const auto& [number, path] : present(prefix))
                    if (number <= last) saved_.push_back(path.filename());
            if (!best_name_.empty()) saved_.push_back(best_name_);
        }
        const bool goes_on_here =
            fs::path(run.resumed_from()).parent_path() == fs::path(folder_).lexically_normal();
        if (goes_on_here && run.is_main()) remove_halves();
        if (best_ && goes_on_here && !best_name_.empty() && !is_complete(best_name_))
            log_warning("the best checkpoint so far, ", best_name_, " (", *best_value_,
                        "), is no longer there: it went when a better one came that is left "
                        "behind now. The next better one is kept again");
    }

    /// A checkpoint gets its name when it is complete: without its manifest it is one whose removal
    /// was broken off.
    void remove_halves() {
        const std::vector<std::string> names = saved_;
        std::error_code none;  // what cannot be looked at stays
        for (const std::string& name : names)
            if (fs::is_directory(fs::path(folder_) / name, none) && !is_complete(name) &&
                remove(name))
                log_info("removed what was left of the old checkpoint ", name);
    }

    bool is_complete(const std::string& name) const {
        return fs::exists(fs::path(folder_) / name / "manifest.json");
    }

    /// The complete ones of this branch whose names begin so, oldest first, but for the one that is
    /// being written.
    std::vector<std::string> complete(const std::string& prefix) const {
        std::vector<std::string> names;
        for (const std::string& name : saved_)
            if (name.starts_with(prefix) && name != writing_ && is_complete(name))
                names.push_back(name);
        return names;
    }

    void prune() {
        if (std::exchange(has_halves_, false)) remove_halves();
        if (o.keep_last)
            for (const char* prefix : {"epoch_", "iter_"}) {
                const std::vector<std::string> names = complete(prefix);
                for (size_t i = 0; i + size_t(*o.keep_last) < names.size(); ++i) remove(names[i]);
            }
        // The best one before goes when the present one is complete.
        if (!best_ || best_name_.empty() || best_name_ == writing_ || !is_complete(best_name_))
            return;
        const std::string prefix = best_prefix(best_->name());
        for (const std::string& name : complete(prefix))
            if (name != best_name_ && is_best_of(prefix, name)) remove(name);
    }

    bool remove(const std::string& name) {
        const fs::path checkpoint = fs::path(folder_) / name;
        // Without its manifest a folder that is half removed is no checkpoint, and the folder goes
        // last: as long as it is there remove_halves() finds what a kill has left.
        std::error_code error;
        fs::remove(checkpoint / "manifest.json", error);
        if (!error) fs::remove(checkpoint.string() + ".safetensors", error);
        if (!error) fs::remove_all(checkpoint, error);
        if (!error) {
            std::erase(saved_, name);
            return true;
        }
        has_halves_ = true;
        log_warning("cannot remove the old checkpoint ", checkpoint.string(),
                    " yet: ", error.message());
        return false;
    }

    const Options o;
    const bool by_epoch_;
    std::optional<Monitor> best_;
    std::optional<double> best_value_;
    std::string best_name_;
    Node best_of_;  // by which result, as the checkpoint that the run goes on from says
    std::string folder_;
    std::vector<std::string> saved_;  // names of this branch's checkpoints, oldest first
    bool has_halves_ = false;         // one could not be removed, and is tried again
    bool knows_saved_ = true;
    std::string writing_;
    int64_t saved_step_ = -1;
    int64_t saved_iter_ = 0;
};

}  // namespace

AILAB_REGISTER_HOOK(CheckpointHook,
                    "Writes checkpoints epoch_N, iter_N, best_<metric>_epoch_N (priority 90)")

}  // namespace ailab
