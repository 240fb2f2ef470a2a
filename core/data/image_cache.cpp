#include "image_cache.hpp"

#include <ATen/ATen.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <type_traits>

#include "ailab/error.hpp"
#include "ailab/log.hpp"

namespace ailab {

namespace {

/// A key is looked for in so many slots from its first on.
constexpr uint64_t most_probes = 64;

enum State : uint32_t {
    unfinished = 0,  // free, or being written
    ready = 1,       // what it says does not change any more
    given_up = 2,    // its writer died, or the data do not fit their checksum
};

uint64_t fnv1a(std::string_view text, uint64_t hash) {
    for (const char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3;
    return hash;
}

/// SplitMix64's finaliser.
uint64_t scatter(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

}  // namespace

ImageKey image_key(const std::string& path, const DecodeOptions& options) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0)
        throw BrokenSample(concat(path, " cannot be read: ", std::strerror(errno)));
    const std::string known_by =
        concat(std::filesystem::absolute(path).string(), '\n', status.st_size, ' ',
               status.st_mtim.tv_sec, ' ', status.st_mtim.tv_nsec, ' ', status.st_ctim.tv_sec, ' ',
               status.st_ctim.tv_nsec, ' ', int(options.mode), ' ', options.exif_orientation);
    const uint64_t first = scatter(fnv1a(known_by, 0xcbf29ce484222325));
    return {first == 0 ? 1 : first, scatter(fnv1a(known_by, 0x9E3779B97F4A7C15))};
}

/// Lies in the file; zeros at first.
struct ImageCache::Slot {
    uint64_t first;  // atomic: whoever changes it from 0 fills the slot
    uint64_t second;
    uint64_t offset;
    uint32_t channels, height, width;
    uint32_t dtype;
    uint32_t checksum;  // of `second`, the shape, the dtype, and the data
    uint32_t state;     // atomic

    uint64_t item_bytes() const { return c10::elementSize(static_cast<at::ScalarType>(dtype)); }
    /// The greatest number where it would not fit one: no file has as many.
    uint64_t bytes() const {
        uint64_t product = item_bytes();
        for (const uint32_t size : {channels, height, width})
            if (__builtin_mul_overflow(product, size, &product)) return UINT64_MAX;
        return product;
    }
    /// Whether it can be what put() wrote.
    bool is_plausible() const {
        if (dtype >= uint32_t(at::ScalarType::NumOptions)) return false;
        const auto type = static_cast<at::ScalarType>(dtype);
        const bool is_known =
            c10::isIntegralType(type, /*includeBool=*/false) || c10::isFloatingType(type);
        return is_known && channels > 0 && height > 0 && width > 0 && offset % item_bytes() == 0;
    }
    uint32_t checksum_of(const void* data) const {
        const uint64_t facts[] = {second, channels, height, width, dtype};
        const uLong begun = crc32_z(0, reinterpret_cast<const Bytef*>(facts), sizeof facts);
        return uint32_t(crc32_z(begun, static_cast<const Bytef*>(data), size_t(bytes())));
    }
};

std::shared_ptr<ImageCache> ImageCache::open(const std::string& file, double gigabytes) {
    constexpr double gibibyte = 1 << 30;
    static_assert(sizeof(Slot) <= CacheFile::slot_bytes);
    return std::shared_ptr<ImageCache>(new ImageCache(
        std::make_unique<CacheFile>(file, int64_t(gigabytes * gibibyte), give_up_unfinished)));
}

/// Zero from the kernel: of a large cache only the pages that are used take memory.
ImageCache::Flags ImageCache::make_flags(size_t count) {
    static_assert(std::is_trivially_destructible_v<std::atomic<bool>>);
    void* memory = std::calloc(count, sizeof(std::atomic<bool>));
    if (!memory) throw Error("there is no memory for the table of cache_gb; give it less");
    return Flags(static_cast<std::atomic<bool>*>(memory));
}

ImageCache::ImageCache(std::unique_ptr<CacheFile> file)
    : file_(std::move(file)), checked_(make_flags(file_->slots())) {}

ImageCache::Slot& ImageCache::slot(const CacheFile& file, uint64_t number) {
    return *static_cast<Slot*>(file.slot(number % file.slots()));
}

/// Nobody is writing now: what is unfinished is of a process that died.
void ImageCache::give_up_unfinished(CacheFile& file) {
    for (uint64_t i = 0; i < file.slots(); ++i)
        if (Slot& one = slot(file, i); one.first != 0 && one.state == unfinished)
            one.state = given_up;
}

at::Tensor ImageCache::find(const ImageKey& key) {
    for (uint64_t i = 0; i < most_probes; ++i) {
        const uint64_t number = (key.first + i) % file_->slots();
        Slot& one = slot(*file_, number);
        const uint64_t first = std::atomic_ref(one.first).load(std::memory_order_acquire);
        if (first == 0) break;
        if (first != key.first) continue;
        const uint32_t state = std::atomic_ref(one.state).load(std::memory_order_acquire);
        if (state == ready && one.second == key.second && is_sound(one, number)) return view(one);
    }
    return {};
}

bool ImageCache::is_sound(Slot& one, uint64_t number) {
    std::atomic<bool>& checked = checked_[number];
    if (checked.load(std::memory_order_acquire)) return true;
    const bool is_plausible = one.is_plausible();
    if (is_plausible && !file_->has(one.offset, one.bytes())) return false;
    if (is_plausible && one.checksum_of(file_->data(one.offset)) == one.checksum) {
        checked.store(true, std::memory_order_release);
        return true;
    }
    std::atomic_ref(one.state).store(given_up);
    if (!warned_.exchange(true))
        log_warning("cache_file ", file_->path(),
                    " has damaged images; those that do not fit their checksums are decoded again");
    return false;
}

at::Tensor ImageCache::view(const Slot& one) {
    const int64_t c = one.channels, h = one.height, w = one.width;
    auto* data = const_cast<uint8_t*>(file_->data(one.offset));
    return at::from_blob(
        data, {c, h, w}, {1, w * c, c}, [owner = shared_from_this()](void*) {},
        at::TensorOptions(static_cast<at::ScalarType>(one.dtype)));
}

at::Tensor ImageCache::put(const ImageKey& key, const at::Tensor& pixels) {
    if (full_) return {};
    for (uint64_t i = 0; i < most_probes; ++i) {
        const uint64_t number = (key.first + i) % file_->slots();
        Slot& one = slot(*file_, number);
        const std::atomic_ref state(one.state);
        uint64_t first = 0;
        if (std::atomic_ref(one.first).compare_exchange_strong(first, key.first)) {
            const bool filled = fill(one, key, pixels);
            if (filled) checked_[number].store(true, std::memory_order_release);
            state.store(filled ? ready : given_up, std::memory_order_release);
            return filled ? view(one) : at::Tensor();
        }
        const bool is_other = first != key.first || state.load() == given_up;
        if (!is_other) return {};  // it is here, or will be
    }
    set_full("its table has no place left");
    return {};
}

/// Of a slot that is this call's alone.
bool ImageCache::fill(Slot& one, const ImageKey& key, const at::Tensor& pixels) {
    const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous();
    one.second = key.second;
    one.channels = uint32_t(pixels.size(0));
    one.height = uint32_t(pixels.size(1));
    one.width = uint32_t(pixels.size(2));
    one.dtype = uint32_t(pixels.scalar_type());
    one.checksum = one.checksum_of(rows.const_data_ptr());
    one.offset = file_->reserve(one.bytes());
    if (one.offset == 0) {
        set_full("cache_gb is reached");
        return false;
    }
    if (file_->write(one.offset, rows.const_data_ptr(), one.bytes())) return true;
    set_full(std::strerror(errno));
    return false;
}

void ImageCache::set_full(const std::string& reason) {
    if (full_.exchange(true)) return;
    log_info("the cache of decoded images", file_->path().empty() ? "" : " " + file_->path(),
             " is full (", reason, "): other images are decoded each time");
}

namespace {

class ImageToKeep final : public Image {
  public:
    ImageToKeep(ImagePtr image, ImagePtr strict, const ImageKey& key,
                std::shared_ptr<ImageCache> cache)
        : image_(std::move(image)),
          strict_(std::move(strict)),
          key_(key),
          cache_(std::move(cache)) {}

    int64_t height() const override { return image_->height(); }
    int64_t width() const override { return image_->width(); }

    at::Tensor pixels() const override {
        if (cache_->is_full()) return image_->pixels();
        at::Tensor whole;
        try {
            whole = strict_->pixels();
        } catch (const BrokenSample&) {
            if (strict_ == image_) throw;
            return image_->pixels();
        }
        const at::Tensor kept = cache_->put(key_, whole);
        return kept.defined() ? kept : whole;
    }

    at::Tensor pixels(const Region& r) const override {
        if (cache_->is_full()) return image_->pixels(r);
        return pixels().narrow(1, r.top, r.height).narrow(2, r.left, r.width);
    }

  private:
    const ImagePtr image_, strict_;
    const ImageKey key_;
    const std::shared_ptr<ImageCache> cache_;
};

}  // namespace

ImagePtr image_to_keep(ImagePtr image, ImagePtr strict, const ImageKey& key,
                       std::shared_ptr<ImageCache> cache) {
    return std::make_shared<ImageToKeep>(std::move(image), std::move(strict), key,
                                         std::move(cache));
}

}  // namespace ailab
