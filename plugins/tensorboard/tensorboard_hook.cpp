#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "ailab/ailab.hpp"
#include "event_file.hpp"
#include "events.hpp"
#include "hyperparameters.hpp"
#include "model_graph.hpp"
#include "options/limits.hpp"
#include "sample_images.hpp"
#include "trackers/log_folder.hpp"
#include "trackers/training_scalars.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

using namespace tensorboard;

/// A copy that the training will not change, for the writer's thread. Of complex numbers both
/// parts.
Tensor host_copy(const Tensor& tensor) {
    const Tensor numbers =
        tensor.is_complex() ? at::view_as_real(tensor.detach().resolve_conj()) : tensor.detach();
    return numbers.to(at::TensorOptions(at::kCPU).dtype(at::kFloat),
                      /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
}

/// How the configuration binds the model's inputs.
Binding model_binding(const Node& config) {
    Binding binding;
    const Node* model = config.find("model");
    const Node* mapping = model ? model->find("mapping") : nullptr;
    if (mapping && mapping->is_map())
        for (const Member& member : mapping->members())
            binding.mapping[member.key] = member.value.as_string();
    return binding;
}

/// Markdown that shows the text as it is, backquotes and all.
std::string code_block(const std::string& text) {
    std::string block = "    ";
    for (const char c : text) {
        block += c;
        if (c == '\n') block += "    ";
    }
    return block;
}

class TensorboardHook final : public Hook {
  public:
    struct Options {
        GivenFolder log_dir;
        int64_t interval = 10;
        int64_t histogram_interval = 0;
        int64_t image_interval = 0;
        int64_t max_images = 8;
        bool graph = false;
        bool hparams = true;
        void visit(OptionVisitor& v) {
            v.option("log_dir", log_dir,
                     "folder that gets a folder of event files a run; by default tf_logs in the "
                     "work_dir");
            v.option("interval", interval, "training iterations from one point to the next",
                     steps_from(1));
            v.option("histogram_interval", histogram_interval,
                     "optimizer steps from one histogram of weights and gradients to the next; 0: "
                     "none",
                     steps_from(0));
            v.option(
                "image_interval", image_interval,
                "epochs from one set of validation images, with a table of predictions, to the "
                "next; 0: none",
                steps_from(0));
            v.option("max_images", max_images, "images in a set", count_from(1));
            v.option("graph", graph,
                     "draw the model: it is run once more, on one sample, before the first step");
            v.option("hparams", hparams, "list the run with its configuration in the HParams tab");
        }
    };

    explicit TensorboardHook(const Options& options) : o(options), scalars_(o.interval) {}

    int default_priority() const override { return priority::below_normal; }
    bool changes_evaluations() const override { return false; }
    bool for_training_only() const override { return true; }

    std::vector<std::string> output_paths() const override {
        return {o.log_dir.value ? fs::absolute(*o.log_dir.value).string() : "../tf_logs"};
    }

    void check(const RunPlan& plan, Problems& problems) override {
        const auto& phases = plan.phases;
        if (o.image_interval > 0 &&
            std::find(phases.begin(), phases.end(), Phase::val) == phases.end())
            problems.add(Place(),
                         "TensorboardHook's image_interval shows images of the val phase, and the "
                         "workflow has none. Add it, or leave image_interval out");
    }

    // A run that goes on hides all points from its checkpoint's step on, since phases behind the
    // checkpoint are run again. What was written at that very step before the checkpoint is not,
    // and is taken from the file that it was written to.
    void before_save_checkpoint(Run& run, const std::string&) override {
        scalars_.mark(run);
        writer_.finish();
        saved_size_ = file_.size();
    }
    State save_state() const override {
        State state;
        scalars_.save(state.values);
        state.values.set("file", Node::string(fs::path(file_.path()).filename().string()));
        state.values.set("bytes", Node(saved_size_));
        state.values.set("image_epoch", Node(image_epoch_));
        return state;
    }
    void load_state(const State& state) override {
        saved_ = state.values;
        // Older checkpoints do not say.
        if (const Node* epoch = saved_.find("image_epoch"); epoch && epoch->is_int())
            image_epoch_ = epoch->as_int();
    }

    void before_run(Run& run) override {
        scalars_.begin(run, saved_);
        wants_graph_ = o.graph && run.is_main();
        if (!run.is_main()) return;
        file_.open(folder(run));
        begin_file(run);
    }

    void before_train_iter(Run& run) override {
        if (wants_graph_ && run.batch().size > 0) write_graph(run);
    }
    void before_step(Run& run) override {
        if (o.histogram_interval > 0 && run.is_main() &&
            run.progress().step % o.histogram_interval == 0)
            write_histograms(run);
    }
    void after_train_iter(Run& run) override {
        if (scalars_.is_due(run)) post_scalars(run, scalars_.take(run));
    }
    void after_train_epoch(Run& run) override {
        if (scalars_.has_rest()) post_scalars(run, scalars_.take(run));
    }

    /// With a val_interval the epoch in which images are due may have no validation: then they come
    /// with the next.
    void before_val_epoch(Run& run) override {
        const int64_t epoch = run.progress().epoch, interval = o.image_interval;
        images_are_due_ = interval > 0 && (image_epoch_ < 0 || epoch % interval == 0 ||
                                           epoch / interval > image_epoch_ / interval);
    }
    void after_val_iter(Run& run) override {
        if (images_are_due_ && !images_are_taken_ && run.is_main() && run.batch().size > 0)
            write_images(run);
    }
    void after_val_epoch(Run& run) override {
        if (std::exchange(images_are_due_, false)) image_epoch_ = run.progress().epoch;
        images_are_taken_ = false;
        post_results(run);
    }
    void after_test_epoch(Run& run) override { post_results(run); }
    void abandon_evaluation(Run&) override { images_are_due_ = images_are_taken_ = false; }

    void after_run(Run& run) override {
        if (!run.is_main()) return;
        // A run that failed has no end: TensorBoard would keep it, and the run may be resumed.
        if (o.hparams)
            post({.step = run.progress().step}, wire::Message().add(1, session_end(wall_time())));
        writer_.finish();
        file_.close();
    }
    void on_exception(Run&, const std::string&) override {
        writer_.finish();
        file_.close();
    }

  private:
    std::string folder(Run& run) const {
        // A dry run leaves nothing outside of its folder.
        if (run.dry_run()) return run.output_folder(std::nullopt, "tf_logs");
        if (o.log_dir.value) return log_folder(run, o.log_dir);
        return (fs::path(run.work_dir()) / "tf_logs" / fs::path(run.run_dir()).filename()).string();
    }

    void begin_file(Run& run) {
        const Moment now{.step = run.progress().step};
        const bool resumed = !run.resumed_from().empty();
        if (resumed)
            writer_.post([this, now, kept = events_before_checkpoint(now.step)] {
                file_.write(restart_event(now));
                for (const std::string& event : kept) file_.write(event);
            });
        // The first run's graph holds for those that go on with it.
        if (resumed && file_.continues()) wants_graph_ = false;
        post(now, wire::Message().add(1, text_value("config", code_block(run.config_text()))));
        if (o.hparams) post(now, wire::Message().add(1, session_start(run.config(), now.time)));
    }

    std::vector<std::string> events_before_checkpoint(int64_t step) const {
        const Node* name = saved_.find("file");
        const Node* bytes = saved_.find("bytes");
        if (!name || !bytes || !name->is_string() || !bytes->is_int()) return {};
        return events_at(fs::path(file_.path()).parent_path() / name->as_string(), bytes->as_int(),
                         step);
    }

    void post_results(Run& run) { post_scalars(run, TrainingScalars::results(run)); }

    // ---- what the training thread copies

    /// The weights before this step, and their gradients, which are gone after it.
    void write_histograms(Run& run) {
        const Moment now{.step = run.progress().step};
        // A model that owns its step takes several of these a step, each with its own parameters.
        if (histogram_step_ != now.step) has_histogram_.clear();
        histogram_step_ = now.step;
        std::vector<std::pair<std::string, Tensor>> copies;
        for (const auto& item : run.model().named_parameters()) {
            const Tensor& parameter = item.value();
            if (!parameter.requires_grad() || !parameter.grad().defined()) continue;
            if (!has_histogram_.insert(item.key()).second) continue;
            copies.emplace_back("weights/" + item.key(), host_copy(parameter));
            copies.emplace_back("gradients/" + item.key(), host_copy(parameter.grad()));
        }
        writer_.post([this, now, copies = std::move(copies)] {
            for (const auto& [tag, copy] : copies) {
                const Histogram histogram =
                    histogram_of({copy.const_data_ptr<float>(), size_t(copy.numel())});
                if (histogram.num == 0) continue;  // nothing finite
                file_.write(
                    summary_event(now, wire::Message().add(1, histogram_value(tag, histogram))));
            }
        });
    }

    void write_images(Run& run) {
        images_are_taken_ = true;
        std::optional<SampleImages> images = take_images(run.batch(), o.max_images);
        if (!images) {
            if (!warned_of_images_)
                log_warning(
                    "TensorboardHook's image_interval is set, but the batch has no field "
                    "input or image of the shape [N, 1, 3 or 4, H, W]: it has ",
                    run.batch().describe());
            warned_of_images_ = true;
            return;
        }
        const Moment now{.step = run.progress().step};
        writer_.post([this, now, images = std::move(*images)] {
            file_.write(summary_event(now, image_summary(images, "val")));
        });
    }

    void write_graph(Run& run) {
        wants_graph_ = false;
        const Moment now{.step = run.progress().step};
        try {
            const Batch inputs = bind_inputs(run.batch(), run.model().inputs_in(Phase::test),
                                             model_binding(run.config()), "the model");
            writer_.post([this, now, graph = model_graph(run.model(), inputs)] {
                file_.write(graph_event(now, graph));
            });
        } catch (const c10::Error& error) {
            warn_of_graph(error.what_without_backtrace());
        } catch (const std::exception& error) {
            warn_of_graph(error.what());
        }
    }
    static void warn_of_graph(const std::string& reason) {
        log_warning("TensorBoard gets no graph, the model cannot be traced: ", reason);
    }

    // ---- what the writer's thread does with it

    void post_scalars(Run& run, const NamedScalars& scalars) {
        if (!run.is_main() || scalars.empty()) return;
        writer_.post([this, moment = Moment{.step = run.progress().step}, scalars] {
            wire::Message summary;
            for (const auto& [tag, value] : scalars) summary.add(1, scalar_value(tag, value));
            file_.write(summary_event(moment, summary));
        });
    }
    void post(const Moment& moment, wire::Message summary) {
        writer_.post([this, moment, summary = std::move(summary)] {
            file_.write(summary_event(moment, summary));
        });
    }

    const Options o;
    TrainingScalars scalars_;
    Node saved_ = Node::map();  // in the checkpoint
    int64_t saved_size_ = 0;    // of the file, when a checkpoint is written
    bool wants_graph_ = false;
    bool images_are_due_ = false, images_are_taken_ = false;  // in this evaluation
    int64_t image_epoch_ = -1;                                // of the last set
    bool warned_of_images_ = false;
    int64_t histogram_step_ = -1;
    std::set<std::string> has_histogram_;  // at histogram_step_
    EventFile file_;
    Background writer_;  // ends before what it writes to
};

}  // namespace

AILAB_REGISTER_HOOK(TensorboardHook, "Writes event files for TensorBoard on rank 0 (priority 60)")

}  // namespace ailab
