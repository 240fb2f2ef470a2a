#include "jpeg_file.hpp"

#include <jerror.h>

#include <algorithm>

namespace ailab {

namespace {

/// Warnings of libjpeg that mean wrong pixels. The others are about what does no harm, such as
/// padding between segments.
bool is_damage(int code) {
    switch (code) {
        case JWRN_ARITH_BAD_CODE:
        case JWRN_HIT_MARKER:
        case JWRN_HUFF_BAD_CODE:
        case JWRN_JPEG_EOF:
        case JWRN_MUST_RESYNC:
            return true;
        default:
            return false;
    }
}

}  // namespace

JpegFile::JpegFile(std::span<const uint8_t> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_.manager);
    info_.client_data = &errors_;
    errors_.manager.error_exit = fail;
    errors_.manager.emit_message = note_warning;
    errors_.manager.output_message = [](j_common_ptr) {};
}

JpegFile::~JpegFile() {
    jpeg_destroy_decompress(&info_);  // also right when it was not created
}

void JpegFile::fail(j_common_ptr info) {
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    static_cast<Errors*>(info->client_data)->fail(text);
}

void JpegFile::note_warning(j_common_ptr info, int level) {
    auto& errors = *static_cast<Errors*>(info->client_data);
    const bool is_warning = level < 0;
    if (is_warning && is_damage(info->err->msg_code) && errors.damage[0] == '\0')
        info->err->format_message(info, errors.damage);
}

/// A file of a megabyte can hold ten thousands of empty scans, each a pass over the whole image.
void JpegFile::limit_scans(j_common_ptr info) {
    constexpr int most_scans = 500;
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > most_scans)
        static_cast<Errors*>(info->client_data)->fail("it has more than 500 scans");
}

bool JpegFile::read_header(bool with_metadata) {
    return errors_.run([&] {
        jpeg_create_decompress(&info_);
        progress_.progress_monitor = limit_scans;
        info_.progress = &progress_;
        jpeg_mem_src(&info_, bytes_.data(), static_cast<unsigned long>(bytes_.size()));
        constexpr unsigned int whole_segment = 0xFFFF;
        if (with_metadata) jpeg_save_markers(&info_, JPEG_APP0 + 1, whole_segment);
        jpeg_read_header(&info_, TRUE);
    });
}

/// The first or the last one that begins so, or nothing.
std::span<const uint8_t> JpegFile::segment(std::string_view head, bool last) const {
    std::span<const uint8_t> found;
    for (auto segment = info_.marker_list; segment; segment = segment->next) {
        const std::span<const uint8_t> data(segment->data, segment->data_length);
        if (data.size() < head.size() || !std::equal(head.begin(), head.end(), data.begin()))
            continue;
        found = data;
        if (!last) break;
    }
    return found;
}

std::span<const uint8_t> JpegFile::exif() const {
    return segment({"Exif\0", 5}, /*last=*/false);
}

std::string_view JpegFile::xmp() const {
    constexpr std::string_view head("http://ns.adobe.com/xap/1.0/\0", 29);
    const auto found = segment(head, /*last=*/true);
    if (found.empty()) return {};
    return std::string_view(reinterpret_cast<const char*>(found.data()), found.size())
        .substr(head.size());
}

/// Whether libjpeg may smooth over the borders of blocks, which it does when scans are missing: a
/// part would be smoothed otherwise than the whole.
bool JpegFile::is_smoothed() const {
    if (!info_.coef_bits) return false;
    for (int component = 0; component < info_.num_components; ++component)
        for (const int missing_bits : info_.coef_bits[component])
            if (missing_bits != 0) return true;
    return false;
}

/// Chroma is interpolated between neighbours, and libjpeg takes the border of what it decodes for
/// the border of the image: hence one block (MCU) more on each side. Rows are skipped exactly.
void JpegFile::skip_to(const Region& region) {
    const int64_t block = int64_t(info_.max_h_samp_factor) * DCTSIZE;
    const int64_t left = std::max<int64_t>(region.left - block, 0);
    const int64_t right = std::min<int64_t>(region.left + region.width + block, info_.output_width);
    JDIMENSION offset = 0, width = info_.output_width;
    if (right - left < width && !is_smoothed()) {
        offset = JDIMENSION(left);
        width = JDIMENSION(right - left);
        jpeg_crop_scanline(&info_, &offset, &width);
    }
    columns_ = {int64_t(offset), int64_t(width)};
    if (region.top > 0) jpeg_skip_scanlines(&info_, JDIMENSION(region.top));
}

bool JpegFile::start(J_COLOR_SPACE color, const Region& region) {
    return errors_.run([&] {
        info_.out_color_space = color;
        jpeg_start_decompress(&info_);
        skip_to(region);
    });
}

bool JpegFile::read_row(uint8_t* row) {
    return errors_.run([&] {
        JSAMPROW rows[] = {row};
        jpeg_read_scanlines(&info_, rows, 1);
    });
}

bool JpegFile::finish() {
    return errors_.run([&] { jpeg_finish_decompress(&info_); });
}

}  // namespace ailab
