// A hook that tells what a pass keeps and needs, in one line of JSON on standard output.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <ailab/ailab.hpp>

#include <algorithm>
#include <cstdio>

AILAB_PLUGIN("bench_memory", "1.0", "Counts the bytes of activations for the benchmarks")

namespace {

/// Bytes of tensors on the main thread.
class Bytes final : public c10::MemoryReportingInfoBase {
  public:
    void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
        now += size;
        most = std::max(most, now);
    }
    bool memoryProfilingEnabled() const override { return true; }

    int64_t now = 0, most = 0;
};

/// Wants `runtime.allocator: system`, which reports, and `accumulative_counts: 2`: gradients are
/// there before the second pass, so that what comes on top of the memory before it are activations.
class BenchMemory : public ailab::Hook {
  public:
    void before_run(ailab::Run&) override {
        c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, bytes_);
    }
    void before_train_iter(ailab::Run&) override { before_ = bytes_->most = bytes_->now; }
    void after_backward(ailab::Run& run) override {
        if (run.progress().iter % 2 == 1) peak_ = std::max(peak_, bytes_->most - before_);
    }
    void after_run(ailab::Run& run) override {
        c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
        if (run.is_main()) std::printf("{\"activations_mb\": %.4f}\n", double(peak_) / 1e6);
    }

  private:
    const std::shared_ptr<Bytes> bytes_ = std::make_shared<Bytes>();
    int64_t before_ = 0, peak_ = 0;
};
AILAB_REGISTER_HOOK(BenchMemory, "Prints the peak of a pass's activations (for benchmarks)")

}  // namespace
