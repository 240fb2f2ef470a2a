#include "stored_image.hpp"

#include <ATen/ATen.h>

#include "ailab/error.hpp"
#include "ailab/loading.hpp"

namespace ailab {

void StoredImage::set_size(int64_t height, int64_t width, Orientation orientation) {
    if (height < 1 || width < 1) refuse("it has no pixels");
    if (height > options_.max_pixels / width)
        refuse(concat("it has ", width, " x ", height, " pixels, more than max_pixels (",
                      options_.max_pixels, ")"));
    stored_height_ = height;
    stored_width_ = width;
    if (options_.exif_orientation) orientation_ = orientation;
}

at::Tensor StoredImage::pixels() const {
    return pixels({0, 0, height(), width()});
}

at::Tensor StoredImage::pixels(const Region& region) const {
    if (region.top < 0 || region.left < 0 || region.height < 1 || region.width < 1 ||
        region.top > height() - region.height || region.left > width() - region.width)
        throw Error(concat("the region of ", region.width, " x ", region.height, " pixels at (",
                           region.left, ", ", region.top, ") does not lie in ", encoded_.name, " (",
                           width(), " x ", height(), ")"));
    const StageTimer timer(LoadStage::decode);
    const at::Tensor stored =
        decode(to_stored(region, orientation_, stored_height_, stored_width_));
    return turned_upright(stored, orientation_).permute({2, 0, 1});
}

at::Tensor StoredImage::decode_whole_and_cut(const Region& stored) const {
    return decode({0, 0, stored_height_, stored_width_})
        .narrow(0, stored.top, stored.height)
        .narrow(1, stored.left, stored.width)
        .contiguous();
}

void StoredImage::report_damaged(const std::string& what) const {
    const std::string text = concat(encoded_.name, " is damaged: ", what);
    if (!options_.tolerate_truncation) throw BrokenSample(text);
    report_damage(text);
}

void StoredImage::refuse(const std::string& why) const {
    throw BrokenSample(concat(encoded_.name, " cannot be decoded: ", why));
}

}  // namespace ailab
