// Ranks that do not do the same, as a beginner's modules would.
#include <ailab/ailab.hpp>
#include <cstdlib>

AILAB_PLUGIN("unlike", "1.0", "Modules that act differently on each rank")

namespace {

using ailab::Tensor;

/// Keeps its sums in members, where nobody adds them up over the ranks.
class MeanOfMeans : public ailab::Metric {
  public:
    void update(const Tensor& output, const Tensor&) override {
        sum_ += output.mean().item<double>();
        ++batches_;
    }
    std::map<std::string, double> compute(const std::map<std::string, Tensor>&) const override {
        return {{"", sum_ / batches_}};
    }

  private:
    double sum_ = 0;
    double batches_ = 0;
};
AILAB_REGISTER_METRIC(MeanOfMeans, "Its sums are each rank's own")

class UnlikeHook : public ailab::Hook {
  public:
    struct Options {
        std::string what = "publish";
        void visit(ailab::OptionVisitor& v) {
            v.option("what", what, "publish: another value on each rank; save: on rank 1 alone",
                     ailab::one_of({"publish", "save"}));
        }
    };
    explicit UnlikeHook(const Options& options) : o(options) {}
    std::vector<std::string> result_names(ailab::Phase phase) const override {
        if (o.what != "publish" || phase != ailab::Phase::val) return {};
        return {"unlike"};
    }
    void after_val_epoch(ailab::Run& run) override {
        if (o.what == "publish") run.publish("unlike", double(run.comm().rank()));
    }
    void after_run(ailab::Run& run) override {
        if (o.what == "save" && run.comm().rank() == 1)
            run.save_checkpoint(run.run_dir() + "/checkpoints/alone");
    }

  private:
    const Options o;
};
AILAB_REGISTER_HOOK(UnlikeHook, "Does on one rank what the others do not")

}  // namespace
