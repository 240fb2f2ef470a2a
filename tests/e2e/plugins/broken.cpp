// Samples some of which cannot be read, and the same samples without them.
#include <ailab/ailab.hpp>
#include <algorithm>
#include <chrono>
#include <thread>

AILAB_PLUGIN("broken", "1.0", "Samples some of which are broken")

namespace {

/// Sample number n is drawn from n; where `without` is set the broken ones are not in the set.
class BrokenNumbers : public ailab::Dataset {
  public:
    struct Options {
        int64_t size = 96;
        std::vector<int64_t> broken, damaged;
        bool without = false, noise = false, bytes = false;
        double delay = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("size", size, "number of samples", ailab::at_least(1));
            v.option("broken", broken, "these cannot be read");
            v.option("damaged", damaged, "these are damaged");
            v.option("without", without, "the broken ones are left out of the set");
            v.option("noise", noise, "samples for LineGAN");
            v.option("bytes", bytes, "inputs are uint8");
            v.option("delay", delay, "seconds that a sample takes to decode");
        }
    };
    explicit BrokenNumbers(const Options& o) : o_(o) {
        for (int64_t n = 0; n < o.size; ++n)
            if (!o.without || !contains(o.broken, n)) numbers_.push_back(n);
    }

    int64_t size() const override { return int64_t(numbers_.size()); }
    std::vector<std::string> fields() const override {
        return {"input", o_.noise ? "noise" : "target"};
    }
    std::string sample_name(int64_t i) const override {
        return ailab::concat("/data/", numbers_[size_t(i)], ".jpg");
    }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const ailab::StageTimer timer(ailab::LoadStage::decode);
        if (o_.delay > 0) std::this_thread::sleep_for(std::chrono::duration<double>(o_.delay));
        const int64_t n = numbers_[size_t(i)];
        if (contains(o_.broken, n)) throw ailab::BrokenSample(sample_name(i) + " is no image");
        if (contains(o_.damaged, n)) ailab::report_damage(sample_name(i) + " is cut");
        ailab::Philox random(3, 0, uint64_t(n));
        ailab::Sample sample;
        if (o_.noise) {
            sample.set("input", torch::full({1}, random.normal(3, 0.5)));
            sample.set("noise", torch::full({1}, random.normal()));
            return sample;
        }
        ailab::Tensor input = torch::empty({8});
        for (int64_t k = 0; k < 8; ++k) input[k] = random.normal();
        sample.set("input", o_.bytes ? input.to(torch::kByte) : input);
        sample.set("target", torch::scalar_tensor(int64_t(random.below(4)), torch::kLong));
        return sample;
    }
    std::optional<int64_t> num_classes() const override { return 4; }

  private:
    static bool contains(const std::vector<int64_t>& list, int64_t n) {
        return std::find(list.begin(), list.end(), n) != list.end();
    }
    const Options o_;
    std::vector<int64_t> numbers_;
};
AILAB_REGISTER_DATASET(BrokenNumbers, "Numbers in four classes; some cannot be read")

}  // namespace
