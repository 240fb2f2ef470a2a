#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"

namespace ailab {

/// Samples of another dataset, chosen by number, in any order; a number may come several times and
/// is then augmented differently each time.
class SelectedDataset : public Dataset {
  public:
    int64_t size() const override { return int64_t(numbers_.size()); }
    Sample get(int64_t index, const SampleContext& context) const override;
    std::vector<std::string> fields() const override { return dataset_->fields(); }
    FieldSpecs field_specs() const override { return dataset_->field_specs(); }
    Batch collate(const std::vector<Sample>& samples) const override {
        return dataset_->collate(samples);
    }
    std::string sample_name(int64_t index) const override {
        return dataset_->sample_name(numbers_.at(size_t(index)));
    }
    std::string label_place(int64_t index) const override {
        return dataset_->label_place(numbers_.at(size_t(index)));
    }
    std::optional<int64_t> num_classes() const override { return dataset_->num_classes(); }
    std::vector<std::string> class_names() const override { return dataset_->class_names(); }
    std::optional<ImageInput> image_input() const override { return dataset_->image_input(); }
    Node default_transforms() const override { return dataset_->default_transforms(); }
    std::vector<int64_t> labels() const override { return chosen(dataset_->labels()); }
    std::vector<int64_t> lengths(const std::string& field) const override {
        return chosen(dataset_->lengths(field));
    }
    /// As the other dataset wants to be read; numbers that come several times come in as many
    /// rounds.
    std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const override;
    DataDigest digest() const override;

  protected:
    explicit SelectedDataset(std::shared_ptr<const Dataset> dataset)
        : dataset_(std::move(dataset)) {}
    const Dataset& dataset() const { return *dataset_; }
    void select(std::vector<int64_t> numbers);

  private:
    /// Those of the chosen samples; nothing of nothing.
    std::vector<int64_t> chosen(const std::vector<int64_t>& of_all) const;

    const std::shared_ptr<const Dataset> dataset_;
    std::vector<int64_t> numbers_;
    std::vector<int32_t> repeats_;  // how often the number came before; empty: never
    int64_t most_times_ = 1;        // that one of them comes
};

}  // namespace ailab
