#pragma once
// A dataset and transforms for tests of the loader.
#include <ATen/ATen.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "data/loader.hpp"

namespace ailab::test {

/// Sample i is {input: [2, 3, 3] of i plus noise, target: 10 i}. Some are broken, some damaged.
class FakeSamples : public Dataset {
  public:
    explicit FakeSamples(int64_t size) : size_(size) {}

    int64_t size() const override { return size_; }
    Sample get(int64_t i, const SampleContext& context) const override {
        if (fatal.count(i)) throw Error("the disk ate it");
        {
            const StageTimer timer(LoadStage::read);
            std::this_thread::sleep_for(read_time);
        }
        if (broken.count(i)) throw BrokenSample(concat(sample_name(i), " is no image"));
        if (damaged.count(i)) report_damage(concat(sample_name(i), " is cut"));
        Philox random = context.random(i);
        return Sample(at::full({2, 3, 3}, double(i) + random.uniform() * 0.5),
                      at::scalar_tensor(10 * i, at::kLong));
    }
    std::string sample_name(int64_t i) const override { return concat("file", i); }

    std::set<int64_t> broken, damaged, fatal;
    std::chrono::milliseconds read_time{0};

  private:
    const int64_t size_;
};

/// Deals the same order in each epoch.
class FixedOrder : public Sampler {
  public:
    explicit FixedOrder(std::vector<int64_t> ids) : ids_(std::move(ids)) {}
    std::vector<int64_t> order(const Dataset&, uint64_t, int64_t) const override { return ids_; }
    int64_t size(const Dataset&) const override { return int64_t(ids_.size()); }

  private:
    const std::vector<int64_t> ids_;
};

class RandomOrder : public Sampler {
  public:
    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        return permutation(dataset.size(), seed, uint64_t(epoch));
    }
    int64_t size(const Dataset& dataset) const override { return dataset.size(); }
};

/// Options of rank `rank` of `world` for batches of `batch` samples of all ranks.
inline LoaderOptions loader_options(std::shared_ptr<const Dataset> dataset, int64_t batch,
                                    int rank = 0, int world = 1) {
    LoaderOptions options;
    options.plan = {
        .samples = dataset->size(), .batch_size = batch, .world_size = world, .rank = rank};
    options.dataset = std::move(dataset);
    options.sampler = std::make_shared<RandomOrder>();
    options.context.seed = 5;
    options.workers = 2;
    options.prefetch = 3;
    options.skip_broken = true;
    options.max_errors = 1000;
    options.name = "data.train";
    return options;
}

/// What `action` throws, or "".
template <class Action>
std::string error_of(const Action& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace ailab::test
