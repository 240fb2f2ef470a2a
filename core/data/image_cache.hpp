#pragma once
// Decoded images, kept from one epoch to the next.
#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "ailab/image.hpp"
#include "cache_file.hpp"

namespace ailab {

/// What an image file is found by: a hash of its path, its size, when it was changed (ctime too,
/// which copies that keep the mtime cannot keep), and what its pixels are turned into. Throws
/// BrokenSample when there is no such file.
struct ImageKey {
    uint64_t first = 0;  // not 0
    uint64_t second = 0;
};
ImageKey image_key(const std::string& path, const DecodeOptions& options);

/// A hash table of images in a CacheFile, filled until it is full; nothing is ever replaced, so
/// views of it stay valid. All ranks of a host share it when the file has a name. Lock-free: what
/// another thread or rank is just putting there is not found. Thread-safe.
class ImageCache : public std::enable_shared_from_this<ImageCache> {
  public:
    /// In this process's memory, or in `file`. Throws Error when that is no cache or cannot be
    /// used; one that is damaged is made anew, with a warning.
    static std::shared_ptr<ImageCache> open(const std::string& file, double gigabytes);

    /// The pixels [C, H, W] in the memory order H, W, C: a view of the cache, read-only. Undefined
    /// when they are not here. The first look at what others wrote checks its checksum.
    at::Tensor find(const ImageKey& key);
    /// Keeps a copy. Returns a view of it; undefined when it is full, or another rank was faster.
    at::Tensor put(const ImageKey& key, const at::Tensor& pixels);
    /// The first image that did not fit was the last one.
    bool is_full() const { return full_; }

  private:
    explicit ImageCache(std::unique_ptr<CacheFile> file);

    struct Slot;
    static Slot& slot(const CacheFile& file, uint64_t number);
    static void give_up_unfinished(CacheFile& file);
    bool fill(Slot& slot, const ImageKey& key, const at::Tensor& pixels);
    void set_full(const std::string& reason);
    bool is_sound(Slot& slot, uint64_t number);
    at::Tensor view(const Slot& slot);

    const std::unique_ptr<CacheFile> file_;
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    using Flags = std::unique_ptr<std::atomic<bool>[], Free>;
    static Flags make_flags(size_t count);
    const Flags checked_;  // by this process, a slot each
    std::atomic<bool> full_ = false;
    std::atomic<bool> warned_ = false;
};

/// An image that goes to the cache when its pixels are asked for. `strict` fails where `image`
/// would tolerate damage: damaged ones are not kept, so that each use of them is reported.
ImagePtr image_to_keep(ImagePtr image, ImagePtr strict, const ImageKey& key,
                       std::shared_ptr<ImageCache> cache);

}  // namespace ailab
