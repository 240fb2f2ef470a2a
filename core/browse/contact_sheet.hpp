#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ailab {

/// Images side by side on one page, each with a caption below.
class ContactSheet {
  public:
    /// So many images a row, none shown larger than `most` pixels in either direction.
    ContactSheet(int64_t columns, int64_t most) : columns_(columns), most_(most) {}

    /// `image`: [C, H, W], C being 1 or 3, of any type (see to_bytes()), or undefined for an empty
    /// place. What the font lacks of the caption is drawn as '?'.
    void add(const at::Tensor& image, std::string caption);

    /// The page, uint8 [3, H, W]. Throws Error when it holds nothing.
    at::Tensor draw() const;

  private:
    struct Cell {
        at::Tensor image;  // uint8 [3, H, W], undefined for an empty place
        std::string caption;
    };
    const int64_t columns_;
    const int64_t most_;
    std::vector<Cell> cells_;
};

/// An image as bytes to look at: uint8 as it is; of other types the least value becomes black and
/// the greatest white, since nobody knows what a model's input was normalised by.
at::Tensor to_bytes(const at::Tensor& image);

}  // namespace ailab
