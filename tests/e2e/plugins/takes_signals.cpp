// What libraries do to signals when they are first used.
#include <ailab/ailab.hpp>
#include <csignal>

AILAB_PLUGIN("takes_signals", "1.0", "A hook that takes the run's signals away")

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
AILAB_REGISTER_HOOK(TakesSignals, "Ignores SIGTERM, sets it back, or handles it itself")

}  // namespace
