#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/transform.hpp"
#include "served_spec.hpp"

namespace ailab {

/// From an image file to what a model is fed, as its validation data did it. Const calls are
/// thread-safe.
class ImagePipeline {
  public:
    /// Throws ConfigError when a transform is unknown here.
    explicit ImagePipeline(const ServedSpec& spec);

    /// A batch's memory for so many images.
    at::Tensor memory_for(int64_t images) const;
    /// Reads a file and writes what becomes of it to `place`, one sample of that memory. Throws
    /// BrokenSample when the file cannot be used.
    void read(const std::string& file, at::Tensor& place) const;

  private:
    void check_shape(const std::string& file, at::IntArrayRef shape) const;

    const std::string field_;
    const ImageReader reader_;
    std::vector<std::shared_ptr<const Transform>> transforms_;
    const std::vector<int64_t> shape_;
    const at::ScalarType dtype_;
    const bool channels_last_;
};

}  // namespace ailab
