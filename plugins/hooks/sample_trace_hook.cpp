#include "ailab/ailab.hpp"
#include "json_line.hpp"
#include "line_file.hpp"

namespace ailab {
namespace {

constexpr size_t buffer_size = 1 << 20;

class SampleTraceHook final : public Hook {
  public:
    int default_priority() const override { return priority::very_high; }

    void before_run(Run& run) override {
        file_.open(concat(run.run_dir(), "/samples.rank", run.comm().rank(), ".jsonl"),
                   buffer_size);
    }
    void before_train_iter(Run& run) override {
        file_.write(JsonLine()
                        .add("step", run.progress().step)
                        .add("epoch", run.progress().epoch)
                        .add("ids", run.batch().ids)
                        .str());
    }
    void after_train_epoch(Run&) override { file_.flush(); }
    void after_run(Run&) override { file_.flush(); }
    void on_exception(Run&, const std::string&) override {
        if (file_.is_open()) file_.flush();
    }

  private:
    LineFile file_;
};

}  // namespace

AILAB_REGISTER_HOOK(
    SampleTraceHook,
    "Writes the samples of each training step to samples.rank<R>.jsonl (priority 10)")

}  // namespace ailab
