#pragma once
// A JPEG file under libjpeg, whose errors are return values here.
#include <cstddef>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it
#include <span>
#include <string>
#include <string_view>

// clang-format off: after <cstdio>
#include <jpeglib.h>
// clang-format on

#include "ailab/image.hpp"
#include "c_errors.hpp"

namespace ailab {

/// Used once, in this order: read_header(), start(), read_row() for each row, finish(). False means
/// that libjpeg gave up, for the reason in error(). Making one costs a few microseconds, too little
/// to keep them for reuse.
class JpegFile {
  public:
    explicit JpegFile(std::span<const uint8_t> bytes);
    ~JpegFile();
    JpegFile(const JpegFile&) = delete;
    JpegFile& operator=(const JpegFile&) = delete;

    bool read_header(bool with_metadata);
    /// After read_header().
    const jpeg_decompress_struct& info() const { return info_; }
    /// The EXIF data, empty without any. After read_header(true).
    std::span<const uint8_t> exif() const;
    /// The XMP packet, likewise.
    std::string_view xmp() const;

    /// Begins to decode `region`. A few columns around it are decoded too: see columns().
    bool start(J_COLOR_SPACE color, const Region& region);
    /// The columns that read_row() gives.
    struct Columns {
        int64_t left, width;
    };
    Columns columns() const { return columns_; }
    bool read_row(uint8_t* row);
    /// Reads to the end of the file; only when the last row of the image was read.
    bool finish();

    const char* error() const { return errors_.text(); }
    /// What is wrong with the data that libjpeg decoded all the same, or "".
    std::string damage() const { return errors_.damage; }

  private:
    struct Errors : CErrors {
        jpeg_error_mgr manager;
        char damage[JMSG_LENGTH_MAX] = "";
    };

    static void fail(j_common_ptr info);
    static void note_warning(j_common_ptr info, int level);
    static void limit_scans(j_common_ptr info);
    std::span<const uint8_t> segment(std::string_view head, bool last) const;
    bool is_smoothed() const;
    void skip_to(const Region& region);

    std::span<const uint8_t> bytes_;
    jpeg_decompress_struct info_{};
    Errors errors_;
    jpeg_progress_mgr progress_{};
    Columns columns_{};
};

}  // namespace ailab
