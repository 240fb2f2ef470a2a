#include "ailab/dataset.hpp"
#include "ailab/transform.hpp"

namespace ailab {
namespace {

/// A dataset whose samples go through transforms of their own.
class TransformedDataset final : public Dataset {
  public:
    TransformedDataset(std::shared_ptr<const Dataset> dataset,
                       const std::vector<ModuleConfig>& transforms)
        : dataset_(std::move(dataset)) {
        for (const ModuleConfig& transform : transforms) {
            transforms_.push_back(std::static_pointer_cast<Transform>(transform.create()));
            if (transforms_.back()->by_batch())
                throw ConfigError({{transform.place,
                                    "this changes whole batches: it belongs to the transforms of "
                                    "data.train itself"}});
        }
    }

    int64_t size() const override { return dataset_->size(); }
    Sample get(int64_t index, const SampleContext& context) const override {
        Sample sample = dataset_->get(index, context);
        Philox random = context.random(index);
        const StageTimer timer(LoadStage::transform);
        for (const auto& transform : transforms_) transform->apply(sample, random);
        return sample;
    }
    std::vector<std::string> fields() const override { return dataset_->fields(); }
    Batch collate(const std::vector<Sample>& samples) const override {
        return dataset_->collate(samples);
    }
    std::optional<int64_t> num_classes() const override { return dataset_->num_classes(); }
    std::vector<std::string> class_names() const override { return dataset_->class_names(); }
    std::vector<int64_t> labels() const override { return dataset_->labels(); }
    std::string sample_name(int64_t index) const override { return dataset_->sample_name(index); }
    std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const override {
        return dataset_->shuffled(seed, epoch);
    }

  private:
    const std::shared_ptr<const Dataset> dataset_;
    std::vector<std::shared_ptr<const Transform>> transforms_;
};

}  // namespace

std::shared_ptr<const Dataset> make_dataset(const ModuleSpec<Dataset>& spec) {
    std::shared_ptr<const Dataset> dataset = spec.create();
    if (spec.config.transforms.empty()) return dataset;
    return std::make_shared<TransformedDataset>(std::move(dataset), spec.config.transforms);
}

}  // namespace ailab
