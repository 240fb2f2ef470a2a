// A data set: points on spiral arms that start at the origin; the arm is the class.
#include <ailab/ailab.hpp>
#include <cmath>
#include <numbers>

class Spirals : public ailab::Dataset {
  public:
    struct Options {
        int64_t samples = 2000;
        int64_t arms = 3;
        double noise = 0.02;
        int64_t seed = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("samples", samples, "number of points", ailab::at_least(1));
            v.option("arms", arms, "number of arms, that is classes", ailab::at_least(2));
            v.option("noise", noise, "standard deviation around the arm", ailab::at_least(0));
            v.option("seed", seed, "another seed gives other points", ailab::at_least(0));
        }
    };

    explicit Spirals(const Options& options) : options_(options) {}

    int64_t size() const override { return options_.samples; }
    std::optional<int64_t> num_classes() const override { return options_.arms; }

    // Called from several threads at once: it only reads. The points of a data set are the same in
    // each epoch; augmentation would draw from context.random(index) instead.
    ailab::Sample get(int64_t index, const ailab::SampleContext&) const override {
        ailab::Philox random(uint64_t(options_.seed), 0, uint64_t(index));
        const int64_t arm = index % options_.arms;
        const double radius = random.uniform();
        const double turn = 2 * std::numbers::pi * (radius + double(arm) / double(options_.arms));
        const double x = radius * std::cos(turn) + options_.noise * random.normal();
        const double y = radius * std::sin(turn) + options_.noise * random.normal();
        return {torch::tensor({float(x), float(y)}), torch::tensor(arm)};
    }

  private:
    Options options_;
};

AILAB_REGISTER_DATASET(Spirals, "Points on the arms of a spiral, made up on the fly")
