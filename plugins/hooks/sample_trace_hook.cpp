#include <filesystem>

#include "ailab/ailab.hpp"
#include "json_line.hpp"
#include "line_writer.hpp"

namespace ailab {
namespace {

constexpr size_t buffer_size = 1 << 20;

class SampleTraceHook final : public Hook {
  public:
    int default_priority() const override { return priority::very_high; }

    void before_run(Run& run) override {
        path_ = concat(run.run_dir(), "/samples.rank", run.comm().rank(), ".jsonl");
        if (size_) std::filesystem::resize_file(path_, *size_);
        file_.open(path_, buffer_size);
    }
    /// What was written up to the checkpoint; a run that goes on from there writes the rest anew.
    State save_rank_state() const override {
        State state;
        state.values.set("size", Node(int64_t(std::filesystem::file_size(path_))));
        return state;
    }
    void load_rank_states(const std::vector<State>& states) override {
        if (states.size() != 1) return;  // another number of ranks: the file stays
        if (const Node* size = states[0].values.find("size")) size_ = uint64_t(size->as_int());
    }
    void before_save_checkpoint(Run&, const std::string&) override { file_.flush(); }
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
    LineWriter file_;
    std::string path_;
    std::optional<uint64_t> size_;  // to go on after
};

}  // namespace

AILAB_REGISTER_HOOK(
    SampleTraceHook,
    "Writes the samples of each training step to samples.rank<R>.jsonl (priority 10)")

}  // namespace ailab
