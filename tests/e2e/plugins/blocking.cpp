// A data set with a sample that does not come, as of a network file system whose host is gone.
#include <ailab/ailab.hpp>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

AILAB_PLUGIN("blocking", "1.0", "A sample that does not come")

namespace {

std::atomic<bool> blocks{false};

int my_rank() {
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    return rank ? std::atoi(rank) : 0;
}

class Blocking : public ailab::Dataset {
  public:
    struct Options {
        int64_t size = 64, sample = 20, rank = 0;
        double seconds = 25;
        bool whole = false;
        void visit(ailab::OptionVisitor& v) {
            v.option("size", size, "number of samples", ailab::between(1, 1e6));
            v.option("sample", sample, "the one that blocks; -1: none", ailab::between(-1, 1e6));
            v.option("rank", rank, "where it blocks", ailab::between(0, 1e6));
            v.option("seconds", seconds, "how long", ailab::between(0, 1e6));
            v.option("whole", whole, "batches are made as a whole");
        }
    };
    explicit Blocking(const Options& options) : o(options) {}

    int64_t size() const override { return o.size; }
    std::string sample_name(int64_t i) const override { return ailab::concat("row-", i); }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        block(i);
        return ailab::Sample(torch::full({8}, double(i)), torch::full({1}, double(i)));
    }
    bool has_batches() const override { return o.whole; }
    void get_batch(std::span<const int64_t> indices, const ailab::SampleContext&,
                   ailab::Batch& batch) const override {
        const auto n = int64_t(indices.size());
        for (const int64_t i : indices) block(i);
        ailab::ensure(batch, "input", {n, 8}, torch::kFloat).zero_();
        ailab::ensure(batch, "target", {n, 1}, torch::kFloat).zero_();
    }

  private:
    void block(int64_t i) const {
        if (i != o.sample || my_rank() != o.rank) return;
        blocks = true;
        std::this_thread::sleep_for(std::chrono::duration<double>(o.seconds));
    }

    const Options o;
};
AILAB_REGISTER_DATASET(Blocking, "Numbers; one sample comes late")

class Line : public ailab::Model {
  public:
    struct Options {
        int64_t waits_in_step = -1;
        void visit(ailab::OptionVisitor& v) {
            v.option("waits_in_step", waits_in_step, "until a sample blocks; -1: never",
                     ailab::between(-1, 1e6));
        }
    };
    explicit Line(const Options& options) : o(options) {
        fc = register_module("fc", torch::nn::Linear(8, 1));
    }
    ailab::Tensor forward(const ailab::Tensor& x) override {
        if (steps_++ == o.waits_in_step)
            while (!blocks) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return fc(x);
    }

  private:
    const Options o;
    int64_t steps_ = 0;
    torch::nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(Line, "One linear layer")

}  // namespace
