#include "ailab/dataset.hpp"
#include "modules/fields.hpp"
#include "transform_list.hpp"

namespace ailab {
namespace {

using Transforms = std::vector<std::shared_ptr<const Transform>>;

/// A dataset whose samples go through transforms of their own.
class TransformedDataset final : public Dataset {
  public:
    TransformedDataset(std::shared_ptr<const Dataset> dataset, Transforms transforms, Node written)
        : dataset_(std::move(dataset)),
          specs_(specs_of(*dataset_)),
          transforms_(std::move(transforms)),
          written_(std::move(written)) {}

    int64_t size() const override { return dataset_->size(); }
    Sample get(int64_t index, const SampleContext& context) const override {
        Sample sample = get_sample(*dataset_, index, context.inside(), specs_);
        Philox random = context.random(index);
        const StageTimer timer(LoadStage::transform);
        for (const auto& transform : transforms_) transform->apply(sample, random);
        return sample;
    }
    std::vector<std::string> fields() const override { return dataset_->fields(); }
    /// Transforms may have changed the types.
    FieldSpecs field_specs() const override {
        FieldSpecs specs = dataset_->field_specs();
        for (FieldSpec& spec : specs) spec.dtype.reset();
        return specs;
    }
    Batch collate(const std::vector<Sample>& samples) const override {
        return dataset_->collate(samples);
    }
    std::optional<int64_t> num_classes() const override { return dataset_->num_classes(); }
    std::vector<std::string> class_names() const override { return dataset_->class_names(); }
    std::vector<int64_t> labels() const override { return dataset_->labels(); }
    std::vector<int64_t> lengths(const std::string& field) const override {
        return dataset_->lengths(field);
    }
    std::optional<ImageInput> image_input() const override {
        std::optional<ImageInput> image = dataset_->image_input();
        if (image)
            for (const Node& transform : written_.items())
                image->transforms.items().push_back(transform);
        return image;
    }
    std::string sample_name(int64_t index) const override { return dataset_->sample_name(index); }
    std::string label_place(int64_t index) const override { return dataset_->label_place(index); }
    std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const override {
        return dataset_->shuffled(seed, epoch);
    }
    DataDigest digest() const override { return dataset_->digest(); }

  private:
    const std::shared_ptr<const Dataset> dataset_;
    const std::shared_ptr<const FieldSpecs> specs_;
    const Transforms transforms_;
    const Node written_;  // the same, as a configuration has them
};

}  // namespace

namespace {

Transforms create(const std::vector<ModuleConfig>& configs) {
    Transforms transforms;
    for (const ModuleConfig& transform : configs)
        transforms.push_back(std::static_pointer_cast<Transform>(transform.create()));
    return transforms;
}

}  // namespace

namespace {

std::vector<ModuleConfig> read_transforms(const Node& list, const std::string& name) {
    std::vector<ModuleConfig> configs;
    Problems problems;
    for (const Node& node : list.items())
        configs.push_back(read_module(kind_name<Transform>, node, name, problems));
    problems.check();
    return configs;
}

Node write_list(const std::vector<ModuleConfig>& transforms) {
    Node list = Node::list();
    for (const ModuleConfig& transform : transforms) list.items().push_back(transform.write());
    return list;
}

constexpr const char* default_name = "a default transform";

}  // namespace

Transforms make_transforms(const Node& list, const std::string& name) {
    return create(read_transforms(list, name));
}

namespace {

/// What a dataset says against them is told at its place.
Node default_transforms(const Dataset& dataset, const ModuleConfig& config) {
    try {
        return dataset.default_transforms();
    } catch (const ConfigError& error) {
        std::vector<Problem> problems = error.problems();
        for (Problem& problem : problems)
            if (problem.place.str().empty()) problem.place = config.place;
        throw ConfigError(std::move(problems));
    }
}

}  // namespace

Transforms make_transforms(const Dataset& dataset, const ModuleConfig& config) {
    return config.transforms ? create(*config.transforms)
                             : make_transforms(default_transforms(dataset, config), default_name);
}

Node write_transforms(const Dataset& dataset, const ModuleConfig& config) {
    return config.transforms ? write_list(*config.transforms) : default_transforms(dataset, config);
}

Node transforms_by_default(const Dataset& dataset, const ModuleConfig& config) {
    return write_list(read_transforms(default_transforms(dataset, config), default_name));
}

std::shared_ptr<const Dataset> make_dataset(const ModuleSpec<Dataset>& spec) {
    std::shared_ptr<const Dataset> dataset = spec.create();
    // Its default ones are those of what is made of it: a list there replaces them.
    if (!spec.config.transforms) return dataset;
    Transforms transforms = create(*spec.config.transforms);
    for (const auto& transform : transforms)
        if (transform->by_batch())
            throw ConfigError({{spec.config.place,
                                "a transform of whole batches (Mixup) belongs to the dataset of "
                                "data.train itself, not to one that it is made of"}});
    Node written = write_transforms(*dataset, spec.config);
    return std::make_shared<TransformedDataset>(std::move(dataset), std::move(transforms),
                                                std::move(written));
}

}  // namespace ailab
