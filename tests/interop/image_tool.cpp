// Decodes image files for test_images.py, as a dataset does, and writes some that Pillow cannot.
#include <ATen/ATen.h>

#include <fstream>
#include <iostream>

#include "ailab/ailab.hpp"
#include "plugins/image/encoders.hpp"

namespace ailab {
namespace {

/// Writes the pixels, row by row as they lie in memory, and says "<type> <height> <width>
/// <channels>".
void decode(const std::string& color, const std::string& path, bool tolerant,
            const std::string& out) {
    ImageReader::Options options;
    options.color = color;
    SampleContext context;
    context.tolerant = tolerant;
    const ImagePtr image = ImageReader(options).open(path, context);
    const at::Tensor rows = image->pixels().permute({1, 2, 0});
    if (!rows.is_contiguous()) throw Error("the rows are not contiguous");
    if (rows.size(0) != image->height() || rows.size(1) != image->width())
        throw Error("the image has another size than it says");
    std::ofstream(out, std::ios::binary)
        .write(static_cast<const char*>(rows.const_data_ptr()), std::streamsize(rows.nbytes()));
    std::cout << "ok " << c10::toString(rows.scalar_type()) << ' ' << rows.size(0) << ' '
              << rows.size(1) << ' ' << rows.size(2) << std::endl;
}

void write(const std::string& path, const std::string& file) {
    std::ofstream(path, std::ios::binary) << file;
}

/// <name>.jpg, <name>.png of each kind that the unit tests have.
void write_kinds(const std::string& folder) {
    constexpr int64_t height = 101, width = 131;
    for (const test::JpegKind& kind : test::jpeg_kinds())
        write(concat(folder, "/", kind.name, ".jpg"),
              test::encode_jpeg(test::painted(height, width, 3), kind));
    for (const test::PngKind& kind : test::png_kinds())
        write(concat(folder, "/", kind.name, ".png"),
              test::encode_png_kind(test::png_numbers(kind, height, width), kind));
    for (const test::BmpKind& kind : test::bmp_kinds())
        write(concat(folder, "/", kind.name, ".bmp"), test::some_bmp(kind, height, width));
}

}  // namespace
}  // namespace ailab

/// One request a line: "rgb|gray|unchanged strict|tolerant <file> <file for the pixels>". The
/// answer is a line. Or, as an argument, a folder: writes images there.
int main(int argc, char** argv) {
    if (argc == 2) ailab::write_kinds(argv[1]);
    for (std::string color, mode, path, out; std::cin >> color >> mode >> path >> out;) {
        try {
            ailab::decode(color, path, mode == "tolerant", out);
        } catch (const ailab::Error& error) {
            std::cout << "error " << error.what() << std::endl;
        }
    }
}
