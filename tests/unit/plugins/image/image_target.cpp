#include "image_target.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "ailab/loading.hpp"
#include "data/loading.hpp"
#include "decoding.hpp"
#include "encoders.hpp"

namespace ailab::test {

std::vector<std::string> image_seeds(int height, int width) {
    std::vector<std::string> seeds;
    const std::string exif = std::string("Exif\0\0", 6) + exif_of(6, true);
    for (const JpegKind& kind : jpeg_kinds())
        seeds.push_back(encode_jpeg(painted(height, width, 3), kind, exif));
    seeds.push_back(encode_jpeg(painted(height, width, 1)));
    seeds.push_back(encode_jpeg(painted(height, width, 4)));
    for (const PngKind& kind : png_kinds())
        seeds.push_back(encode_png_kind(png_numbers(kind, height, width), kind, exif_of(5, false)));
    for (const int channels : {3, 4})
        for (const bool lossless : {false, true})
            seeds.push_back(encode_webp(painted(height, width, channels), lossless));
    for (const BmpKind& kind : bmp_kinds()) seeds.push_back(some_bmp(kind, height, width));
    const std::string run_lengths("\3\5\0\0\0\3\7\1\2\0\0\2\1\1\4\2\0\1", 18);
    seeds.push_back(encode_bmp({"", 8, false, 1}, 4, 5, run_lengths));
    seeds.push_back(encode_bmp({"", 4, false, 2}, 4, 5, run_lengths));
    return seeds;
}

std::string mutate_image(std::string file, std::mt19937_64& random) {
    const auto below = [&](size_t end) { return size_t(random() % std::max<size_t>(end, 1)); };
    // Headers are short and decide much.
    const auto place = [&] { return below(random() % 2 == 0 ? 128 : file.size()) % file.size(); };
    for (size_t changes = 1 + below(4); changes-- > 0 && !file.empty();) {
        const size_t at = place();
        switch (below(6)) {
            case 0:
                file[at] = char(random());
                break;
            case 1:
                file[at] = char(file[at] ^ (1 << below(8)));
                break;
            case 2:
                file[at] = below(2) == 0 ? '\0' : '\xFF';
                break;
            case 3:
                file.erase(at, 1 + below(16));
                break;
            case 4:
                file.insert(at, file.substr(place(), 1 + below(32)));
                break;
            default:
                if (below(4) == 0) file.resize(at);
                break;
        }
    }
    return file;
}

namespace {

uint64_t touch(const at::Tensor& pixels) {
    const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous();
    const auto* bytes = static_cast<const uint8_t*>(rows.const_data_ptr());
    uint64_t sum = 0;
    for (size_t i = 0; i < rows.nbytes(); ++i) sum += bytes[i];
    return sum;
}

bool decode(const std::string& file, const DecodeOptions& options) {
    SampleRecord record;
    try {
        const ImagePtr image = open(file, options);
        const std::vector<Region> regions = regions_of(*image, 2, file.size());
        const at::Tensor whole = image->pixels();
        volatile uint64_t seen = touch(whole);
        (void)seen;
        // libwebp gives the last rows before an error to a part, but not to the whole.
        const bool is_whole = record.take_damage().empty() || format_of(file) != "webp";
        for (const Region& region : regions)
            if (const at::Tensor part = image->pixels(region);
                is_whole && !same(part, cut(whole, region)))
                throw std::logic_error("a part differs from the whole");
        return true;
    } catch (const BrokenSample&) {
        return false;
    }
}

}  // namespace

bool decode_to_the_end(const std::string& file) {
    if (format_of(file).empty()) return false;
    bool accepted = false;
    for (const ImageMode mode : {ImageMode::rgb, ImageMode::gray, ImageMode::unchanged})
        for (const bool tolerate : {false, true}) {
            DecodeOptions options;
            options.mode = mode;
            options.tolerate_truncation = tolerate;
            options.max_pixels = 1'000'000;
            accepted = decode(file, options) || accepted;
        }
    return accepted;
}

}  // namespace ailab::test
