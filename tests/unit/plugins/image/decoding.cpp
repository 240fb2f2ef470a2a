#include "decoding.hpp"

#include <ATen/ATen.h>

#include <map>
#include <random>
#include <sstream>

#include "ailab/registry.hpp"
#include "data/loading.hpp"

namespace ailab::test {

namespace {

std::map<std::string, std::shared_ptr<const ImageDecoder>> make_decoders() {
    std::map<std::string, std::shared_ptr<const ImageDecoder>> decoders;
    for (const auto* node = plugin::module_list; node; node = node->next)
        if (node->kind == std::string(kind_name<ImageDecoder>))
            decoders[node->name] =
                std::static_pointer_cast<ImageDecoder>(node->create(*node->make_options()));
    return decoders;
}

const auto& decoders() {
    static const auto all = make_decoders();
    return all;
}

std::span<const uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

const ImageDecoder& decoder(const std::string& format) {
    return *decoders().at(format);
}

std::string format_of(const std::string& file) {
    std::string found;
    for (const auto& [name, decoder] : decoders())
        if (decoder->recognises(bytes_of(file).first(std::min<size_t>(file.size(), 32))))
            found += name;
    return found;
}

ImagePtr open(const std::string& file, const DecodeOptions& options) {
    const std::string format = format_of(file);
    if (format.empty()) throw BrokenSample("the file is of no format");
    // Exactly as long as the file, for the address sanitizer.
    const auto copy = std::make_shared<std::vector<uint8_t>>(file.begin(), file.end());
    return decoder(format).open({*copy, copy, "the file"}, options);
}

ImagePtr open(const std::string& file, ImageMode mode) {
    DecodeOptions options;
    options.mode = mode;
    return open(file, options);
}

Tolerated decode_tolerantly(const std::string& file, ImageMode mode) {
    DecodeOptions options;
    options.mode = mode;
    options.tolerate_truncation = true;
    SampleRecord record;
    Tolerated result;
    try {
        result.pixels = open(file, options)->pixels();
    } catch (const BrokenSample& error) {
        result.error = error.what();
    }
    result.damage = record.take_damage();
    return result;
}

std::string text_of(const at::Tensor& pixels) {
    std::ostringstream text;
    const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous().to(at::kInt);
    const auto* number = rows.const_data_ptr<int32_t>();
    for (int64_t y = 0; y < rows.size(0); ++y) {
        if (y > 0) text << " | ";
        for (int64_t x = 0; x < rows.size(1); ++x) {
            if (x > 0) text << ' ';
            for (int64_t c = 0; c < rows.size(2); ++c) text << (c > 0 ? "," : "") << *number++;
        }
    }
    return text.str();
}

bool same(const at::Tensor& a, const at::Tensor& b) {
    return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}

at::Tensor cut(const at::Tensor& pixels, const Region& region) {
    return pixels.narrow(1, region.top, region.height).narrow(2, region.left, region.width);
}

std::vector<Region> regions_of(const Image& image, size_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto number = [&](int64_t first, int64_t last) {
        return std::uniform_int_distribution<int64_t>(first, last)(random);
    };
    std::vector<Region> regions;
    while (regions.size() < count) {
        Region region;
        region.height = number(1, image.height());
        region.width = number(1, image.width());
        region.top = number(0, image.height() - region.height);
        region.left = number(0, image.width() - region.width);
        regions.push_back(region);
    }
    return regions;
}

}  // namespace ailab::test
