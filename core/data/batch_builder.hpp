#pragma once
#include <optional>
#include <string>
#include <vector>

#include "loader_options.hpp"

namespace ailab {

/// "sample 7 (cats/7.jpg)": for messages.
std::string sample_label(const Dataset& dataset, int64_t id);

/// Makes samples and gathers them in a batch. The field that the last transform can write() goes
/// straight into the batch's memory; the others are collated. One thread.
class BatchBuilder {
  public:
    /// `batch` may hold the tensors of an earlier batch, whose memory is used again.
    BatchBuilder(const LoaderOptions& options, Batch& batch, int64_t places);

    /// Makes a sample and puts it in the next place. Passes on what the dataset and the transforms
    /// throw; the place is then free for the next sample.
    void add(int64_t id, const SampleContext& context);
    /// Fills the batch's fields, ids and size with the samples that were added.
    void finish();

  private:
    bool write(int64_t id, Sample& sample, Philox& random);
    Tensor memory_for(const std::string& field, at::IntArrayRef shape, at::ScalarType dtype);
    void check_layout(int64_t id, const std::optional<FieldLayout>& layout) const;
    void check_alike(const Sample& sample) const;

    const LoaderOptions& options_;
    Batch& batch_;
    const int64_t places_;
    std::vector<Sample> samples_;
    std::vector<int64_t> ids_;
    std::optional<FieldLayout> layout_;  // of the first sample
    Tensor memory_;                      // of the field that is written, for all places
};

}  // namespace ailab
