#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ailab/ailab.hpp"
#include "ailab/support/number_text.hpp"
#include "options/limits.hpp"
#include "terminal.hpp"

namespace ailab {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// From one drawing to the next, in seconds.
constexpr double drawing_interval = 0.1;
/// The clock is read about so often, and at least every most_unlooked iterations.
constexpr double look_interval = 0.01;
constexpr int64_t most_unlooked = 64;
/// Reading a loss from a GPU waits for it: seconds from one time to the next.
constexpr double device_loss_interval = 1;
/// Seconds over which the rate is averaged.
constexpr double rate_memory = 5;

/// Samples a second, of late: sums that fade.
class Rate {
  public:
    void add(double samples, double seconds) {
        const double kept = std::exp(-seconds / rate_memory);
        samples_ = samples_ * kept + samples;
        seconds_ = seconds_ * kept + seconds;
    }
    double value() const { return seconds_ > 0 ? samples_ / seconds_ : 0; }

  private:
    double samples_ = 0;
    double seconds_ = 0;
};

class ProgressHook final : public Hook {
  public:
    static constexpr Role role = roles::progress;

    struct Options {
        std::string mode = "auto";
        bool leave = false;
        std::optional<int64_t> width;
        double plain_interval = 10;
        void visit(OptionVisitor& v) {
            v.option("mode", mode,
                     "auto: a bar if stderr is a terminal; bar: always; plain: a line now and "
                     "then; off",
                     one_of({"auto", "bar", "plain", "off"}));
            v.option("leave", leave, "keep each phase's finished bar");
            v.option("width", width, "columns of the bar's line; by default the terminal's",
                     count_from(20));
            v.option("plain_interval", plain_interval, "seconds from one plain line to the next",
                     between(0, 1e6));
        }
    };

    explicit ProgressHook(const Options& options) : o(options) {}
    ~ProgressHook() override { close(false); }

    int default_priority() const override { return priority::very_low; }
    bool changes_evaluations() const override { return false; }

    void before_run(Run& run) override {
        if (!run.is_main()) return;
        const char* term = std::getenv("TERM");
        view_ = choose_view(o.mode, isatty(STDERR_FILENO) == 1, term ? term : "");
        interval_ = view_ == View::bar ? drawing_interval : o.plain_interval;
        if (view_ == View::plain) last_shown_ = Clock::now();
        if (view_ != View::bar) return;
        std::optional<size_t> width;
        if (o.width) width = size_t(*o.width);
        bar_ = std::make_shared<LiveBar>(STDERR_FILENO, width, is_utf8_locale());
        log_through([bar = bar_](const std::string& lines) { bar->print_above(lines); });
    }

    void before_train_epoch(Run& run) override { begin(run); }
    void before_val_epoch(Run& run) override { begin(run); }
    void before_test_epoch(Run& run) override { begin(run); }
    void after_train_iter(Run& run) override { tick(run); }
    void after_val_iter(Run& run) override { tick(run); }
    void after_test_iter(Run& run) override { tick(run); }
    void after_train_epoch(Run& run) override { end(run); }
    void after_val_epoch(Run& run) override { end(run); }
    void after_test_epoch(Run& run) override { end(run); }

    void after_run(Run&) override { close(false); }
    void on_exception(Run&, const std::string&) override { close(true); }

  private:
    void begin(Run& run) {
        if (view_ == View::none) return;
        phase_begin_ = last_look_ = Clock::now();
        rate_ = Rate();
        loss_.clear();
        last_loss_ = Clock::time_point();
        last_samples_ = -1;
        unlooked_ = 0;
        stride_ = 1;
        if (view_ == View::bar && is_due(phase_begin_)) show(run, phase_begin_);
    }

    void tick(Run& run) {
        if (view_ == View::none || ++unlooked_ < stride_) return;
        const Clock::time_point now = look(run);
        if (!is_due(now) || busy_->load()) return;
        read_loss(run, now);
        show(run, now);
    }

    void end(Run& run) {
        if (view_ == View::none) return;
        const Clock::time_point now = look(run);
        // It is seen for as long as the phase took, if not longer.
        const bool worth_it = Seconds(now - phase_begin_).count() >= drawing_interval || o.leave;
        if (view_ == View::bar ? worth_it : is_due(now)) show(run, now);
        if (view_ == View::bar && o.leave) painter_.post([bar = bar_] { bar->keep(); });
    }

    bool is_due(Clock::time_point now) const {
        return Seconds(now - last_shown_).count() >= interval_;
    }

    /// Measures, and finds how many iterations may pass before the clock is read again.
    Clock::time_point look(Run& run) {
        const Clock::time_point now = Clock::now();
        const double seconds = Seconds(now - last_look_).count();
        const int64_t samples = run.progress().samples;
        // A resumed phase begins with samples that others have taken.
        if (last_samples_ < 0) last_samples_ = samples - run.batch().global_size;
        rate_.add(double(std::max<int64_t>(0, samples - last_samples_)), seconds);
        const double wanted = seconds > 0 ? double(unlooked_) * look_interval / seconds : 1;
        stride_ = int64_t(std::clamp(wanted, 1.0, double(most_unlooked)));
        last_samples_ = samples;
        last_look_ = now;
        unlooked_ = 0;
        return now;
    }

    /// This rank's own: no rank waits for another because something is drawn.
    void read_loss(Run& run, Clock::time_point now) {
        if (!run.torch_device().is_cpu() &&
            Seconds(now - last_loss_).count() < device_loss_interval)
            return;
        last_loss_ = now;
        loss_ = run.loss_values();
    }

    BarState state(Run& run, Clock::time_point now) const {
        const Progress& progress = run.progress();
        BarState state;
        state.phase = phase_name(progress.phase);
        state.by_epoch = progress.total_epochs > 0;
        state.outer = state.by_epoch ? progress.epoch + 1 : progress.step;
        state.outer_total = state.by_epoch ? progress.total_epochs : progress.total_steps;
        state.samples = progress.samples;
        state.total_samples = progress.total_samples;
        state.elapsed = Seconds(now - phase_begin_).count();
        state.rate = rate_.value();
        if (!loss_.empty()) {
            double sum = 0;
            for (const auto& [name, value] : loss_) sum += value;
            state.values.emplace_back("loss", value_text(sum));
        }
        if (progress.phase == Phase::train) add_learning_rates(run, state);
        if (loss_.size() > 1)
            for (const auto& [name, value] : loss_)
                state.values.emplace_back(name, value_text(value));
        return state;
    }

    static void add_learning_rates(Run& run, BarState& state) {
        for (const auto& [name, optimizer] : run.optimizers()) {
            if (optimizer->groups().empty()) continue;
            state.values.emplace_back(name.empty() ? "lr" : name + "_lr",
                                      general_text(optimizer->scheduled_lr(), 3));
        }
    }

    /// On a thread of its own: a terminal that takes nothing must not hold up the training.
    void show(Run& run, Clock::time_point now) {
        last_shown_ = now;
        if (busy_->exchange(true) && !o.leave) return;
        painter_.post([bar = bar_, busy = busy_, state = state(run, now)] {
            bar ? bar->draw(state) : write_all(STDERR_FILENO, plain_line(state) + "\n");
            busy->store(false);
        });
    }

    void close(bool failed) {
        if (view_ == View::none) return;
        view_ = View::none;
        painter_.finish();
        if (!bar_) return;
        // Where it failed is worth knowing.
        failed ? bar_->keep() : bar_->erase();
        log_through({});
    }

    const Options o;
    View view_ = View::none;
    double interval_ = 0;  // seconds from one drawing or line to the next
    std::shared_ptr<LiveBar> bar_;
    std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
    Background painter_;

    Clock::time_point phase_begin_;
    Clock::time_point last_shown_;
    Clock::time_point last_look_;
    Clock::time_point last_loss_;
    int64_t last_samples_ = -1;
    int64_t unlooked_ = 0;  // iterations since the clock was read
    int64_t stride_ = 1;
    Rate rate_;
    std::vector<std::pair<std::string, double>> loss_;
};

}  // namespace

AILAB_REGISTER_HOOK(ProgressHook, "Draws a progress bar on rank 0's terminal (priority 90)")

}  // namespace ailab
