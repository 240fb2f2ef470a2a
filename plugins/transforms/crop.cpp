// Crops that keep the pixels' size.
#include "option_types.hpp"
#include "options/limits.hpp"
#include "pixels/pad.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class CenterCrop final : public GeometricTransform {
  public:
    struct Options {
        OneOrMore<int64_t> size;

        void visit(OptionVisitor& v) {
            v.required("size", size, "pixels of each side, or [height, width]", pixels_from(1));
            v.rule([this] { return wrong_count("size", size, {1, 2}); });
        }
    };

    explicit CenterCrop(const Options& options) : size_(size_of(options.size)) {}

    std::vector<Movement> movements(ImageSize old, Philox&) const override {
        const int64_t down = std::max<int64_t>(size_.height - old.height, 0);
        const int64_t across = std::max<int64_t>(size_.width - old.width, 0);
        const image::Padding padding = {across / 2, down / 2, (across + 1) / 2, (down + 1) / 2};
        const image::Size padded = {old.height + down, old.width + across};
        std::vector<Movement> movements;
        if (padding.any()) movements.push_back(padded_by(old, padding, {}, {}));
        movements.push_back(
            crop(padded, {half(padded.height - size_.height), half(padded.width - size_.width),
                          size_.height, size_.width}));
        return movements;
    }

  private:
    /// Rounded to even, as Python rounds.
    static int64_t half(int64_t n) { return n / 2 + (n % 4 == 3 ? 1 : 0); }

    const image::Size size_;
};

AILAB_REGISTER_TRANSFORM(CenterCrop,
                         "The middle of the image, with black around it if that is small")

class RandomCrop final : public GeometricTransform {
  public:
    struct Options : FillOptions {
        OneOrMore<int64_t> size;
        std::optional<OneOrMore<int64_t>> padding;
        bool pad_if_needed = false;
        std::string padding_mode = "constant";

        void visit(OptionVisitor& v) {
            v.required("size", size, "pixels of each side, or [height, width]", pixels_from(1));
            v.option("padding", padding,
                     "pixels around the image: on each side, [left and right, top and bottom] or "
                     "[left, top, right, bottom]",
                     pixels_from(0));
            v.option("pad_if_needed", pad_if_needed, "pad an image that is smaller than size");
            v.option("padding_mode", padding_mode, "what padding consists of", padding_choices());
            FillOptions::visit(v);
            v.rule([this] { return wrong_count("size", size, {1, 2}); });
            v.rule([this]() -> std::string {
                return padding ? wrong_count("padding", *padding, {1, 2, 4}) : "";
            });
        }
    };

    explicit RandomCrop(const Options& options)
        : options_(options),
          size_(size_of(options.size)),
          mode_(padding_mode_of(options.padding_mode)) {}

    std::vector<Movement> movements(ImageSize old, Philox& random) const override {
        image::Padding padding;
        if (options_.padding) padding = padding_of(*options_.padding);
        image::Size padded = grown(old, padding);
        if (options_.pad_if_needed) {
            const int64_t down = std::max<int64_t>(size_.height - padded.height, 0);
            const int64_t across = std::max<int64_t>(size_.width - padded.width, 0);
            padding = {padding.left + across, padding.top + down, padding.right + across,
                       padding.bottom + down};
            padded = grown(old, padding);
        }
        if (padded.height < size_.height || padded.width < size_.width)
            throw Error(concat("RandomCrop of ", size_.str(), " pixels is larger than the ",
                               padding.any() ? "padded " : "", "image of ", padded.str(),
                               ": resize it before, or set pad_if_needed"));
        std::vector<Movement> movements;
        if (padding.any())
            movements.push_back(
                padded_by(old, padding, options_.fill.values, {options_.mask_fill}, mode_));
        const auto top = int64_t(random.below(uint64_t(padded.height - size_.height + 1)));
        const auto left = int64_t(random.below(uint64_t(padded.width - size_.width + 1)));
        movements.push_back(crop(padded, {top, left, size_.height, size_.width}));
        return movements;
    }

  private:
    static image::Size grown(image::Size size, const image::Padding& by) {
        return {size.height + by.top + by.bottom, size.width + by.left + by.right};
    }

    const Options options_;
    const image::Size size_;
    const image::PaddingMode mode_;
};

AILAB_REGISTER_TRANSFORM(RandomCrop, "A part of the image anywhere in it")

}  // namespace
}  // namespace ailab
