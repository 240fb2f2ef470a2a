#pragma once
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"
#include "ailab/device.hpp"
#include "ailab/sampler.hpp"
#include "ailab/transform.hpp"
#include "batch_plan.hpp"

namespace ailab {

struct LoaderOptions {
    std::shared_ptr<const Dataset> dataset;
    std::shared_ptr<const FieldSpecs> specs;  // what it declares, or none
    std::shared_ptr<const Sampler> sampler;
    std::vector<std::shared_ptr<const Transform>> transforms;  // of samples
    std::shared_ptr<const Transform> batch_transform;          // of whole batches, or none
    BatchPlan plan;
    SampleContext context;  // its epoch and repeat are set by the loader
    int workers = 1;        // threads, at least 1
    int prefetch = 2;       // batches made ready ahead; small whole batches: more, see loader.cpp
    bool channels_last = false;
    at::ScalarType dtype = at::kFloat;  // of floating-point fields
    /// The fields that a model takes, where that is known: others keep float64, for metrics.
    std::optional<std::vector<std::string>> model_fields;
    bool skip_broken = false;  // BrokenSample leaves the sample out
    int64_t max_errors = 0;    // so many of an epoch, then the run ends
    std::string name;          // "data.train": for messages
    std::string type;          // of the dataset, as the configuration names it: for messages
    /// Seconds that one sample may take (of a batch that is made as a whole: the batch).
    double sample_timeout = std::numeric_limits<double>::infinity();
    /// The name of the signal that asks the run to end, or "". Thread-safe; none: never.
    std::function<std::string()> stop_wanted;
    Device* pins = nullptr;  // batches go to it from pinned memory; none: they stay

    /// The dataset makes whole batches: quick, so that one thread does it. No sample is left out.
    bool whole_batches() const { return dataset->has_batches() && transforms.empty(); }
    bool may_skip() const { return skip_broken && !whole_batches(); }
};

}  // namespace ailab
