#pragma once
// A PNG file under libpng, whose errors are return values here.
#include <png.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ailab/image.hpp"
#include "c_errors.hpp"

namespace ailab {

/// Used once, in this order: read_header(), start(), read_row() for each row (of each pass, if the
/// file is interlaced), finish(). False means that libpng gave up, for the reason in error().
class PngFile {
  public:
    explicit PngFile(std::span<const uint8_t> bytes)
        : all_(bytes),
          rest_(bytes),
          most_for_chunks_(bytes.size() + unpacked_chunk),
          most_memory_(SIZE_MAX) {}
    ~PngFile();
    PngFile(const PngFile&) = delete;
    PngFile& operator=(const PngFile&) = delete;

    bool read_header();

    struct Header {
        int64_t height, width;
        int bit_depth;
        int color_type;
        bool interlaced;
        size_t bytes_a_row;  // uncompressed, in the file
    };
    Header header() const;
    /// The EXIF data, or empty: of the chunk eXIf, before the pixels or behind them, or, before
    /// them, as ImageMagick and ExifTool wrote them when there was none, as a text of hexadecimal
    /// digits. After read_header().
    std::vector<uint8_t> exif() const;
    /// The XMP packet, or empty: the text of this name, of any kind of chunk, before the pixels or
    /// behind them. Of several the last one counts, as in Pillow.
    std::string xmp() const;

    /// Decides what rows are: RGB or grey of 8 bits, where the file has colour and where not, or
    /// with ImageMode::unchanged the file's channels, palette indices, and 16 bits if it has them.
    /// Grey of 2 and 4 bits is spread over 0 … 255.
    bool start(ImageMode mode);
    int passes() const { return passes_; }
    int channels() const;
    size_t row_size() const;
    bool read_row(uint8_t* row);
    bool finish();

    const char* error() const { return errors_.text(); }

  private:
    static void fail(png_structp png, const char* text);
    static void read(png_structp png, png_bytep out, size_t size);
    static png_voidp allocate(png_structp png, png_alloc_size_t size);
    static void release(png_structp png, png_voidp memory);
    void set_transforms(ImageMode mode);

    /// What libpng lets a compressed chunk beside the pixels grow to.
    static constexpr size_t unpacked_chunk = 8 << 20;

    const std::span<const uint8_t> all_;
    std::span<const uint8_t> rest_;
    const size_t most_for_chunks_;
    size_t most_memory_;  // that libpng may ask for at once
    CErrors errors_;
    png_structp png_ = nullptr;
    png_infop info_ = nullptr;
    int passes_ = 1;
};

}  // namespace ailab
