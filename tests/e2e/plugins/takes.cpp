// What libraries do to a process when they are first used.
#include <unistd.h>
#include <ailab/ailab.hpp>
#include <csignal>

AILAB_PLUGIN("takes", "1.0", "Hooks that take the run's signals and streams away")

namespace {

class TakesSignals : public ailab::Hook {
  public:
    struct Options {
        std::string how;
        std::string when = "before_train_epoch";
        void visit(ailab::OptionVisitor& v) {
            v.required("how", how, "what becomes of SIGTERM",
                       ailab::one_of({"ignore", "default", "handler"}));
            v.option("when", when, "at which point",
                     ailab::one_of({"before_train_epoch", "after_train_iter"}));
        }
    };
    explicit TakesSignals(const Options& options) : o(options) {}
    void before_train_epoch(ailab::Run&) override {
        if (o.when == "before_train_epoch") take();
    }
    void after_train_iter(ailab::Run&) override {
        if (o.when == "after_train_iter" && !taken_) take();
    }

  private:
    static void nothing(int) {}
    void take() {
        taken_ = true;
        std::signal(SIGTERM, o.how == "ignore" ? SIG_IGN : o.how == "default" ? SIG_DFL : nothing);
    }
    const Options o;
    bool taken_ = false;
};
/// As what makes itself a daemon does, and what closes a descriptor twice.
class ClosesStreams : public ailab::Hook {
  public:
    void before_train_epoch(ailab::Run&) override {
        if (closed_) return;
        closed_ = true;
        for (int stream = 0; stream <= 2; ++stream) close(stream);
    }

  private:
    bool closed_ = false;
};
AILAB_REGISTER_HOOK(ClosesStreams, "Closes the standard streams")

AILAB_REGISTER_HOOK(TakesSignals, "Ignores SIGTERM, sets it back, or handles it itself")

}  // namespace
