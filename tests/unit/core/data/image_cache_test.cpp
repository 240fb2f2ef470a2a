// Decoded images that are kept: found again by every rank and later run, never another's, never
// damaged ones.
#include "data/image_cache.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr double megabyte = 1.0 / 1024;

class ImageCacheTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/ailab-cache-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        file = folder / "images";
    }
    void TearDown() override { fs::remove_all(folder); }

    static at::Tensor picture(int64_t value, at::ScalarType dtype = at::kByte) {
        return ((at::arange(5 * 7 * 3) + value) % 251).to(dtype).view({5, 7, 3}).permute({2, 0, 1});
    }
    static ImageKey key(uint64_t number) { return {number + 1, number * 7 + 3}; }

    void overwrite(int64_t offset, const std::string& bytes) {
        std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
        out.seekp(offset);
        out.write(bytes.data(), std::streamsize(bytes.size()));
    }
    std::string contents() const {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    fs::path folder, file;
};

TEST_F(ImageCacheTest, KeepsWhatIsPutThere) {
    for (const std::string& name : {std::string(), file.string()}) {
        const auto cache = ImageCache::open(name, megabyte);
        EXPECT_FALSE(cache->find(key(1)).defined());
        const at::Tensor kept = cache->put(key(1), picture(1));
        EXPECT_TRUE(kept.equal(picture(1)));
        const at::Tensor found = cache->find(key(1));
        EXPECT_TRUE(found.equal(picture(1)));
        EXPECT_EQ(found.strides(), (std::vector<int64_t>{1, 21, 3}));
        EXPECT_EQ(found.const_data_ptr(), kept.const_data_ptr()) << "a view";
        EXPECT_FALSE(cache->find(key(2)).defined());
    }
}

TEST_F(ImageCacheTest, KeepsOtherTypesAndOtherMemoryOrders) {
    const auto cache = ImageCache::open("", megabyte);
    cache->put(key(1), picture(1, at::kInt));
    EXPECT_TRUE(cache->find(key(1)).equal(picture(1, at::kInt)));
    cache->put(key(2), picture(2).contiguous());
    EXPECT_TRUE(cache->find(key(2)).equal(picture(2)));
}

/// Its tables take memory as they are used, however much was allowed.
TEST_F(ImageCacheTest, ALargeOneCostsNothingBeforeItIsFull) {
    const auto resident = [] {
        int64_t size = 0, pages = 0;
        std::ifstream("/proc/self/statm") >> size >> pages;
        return double(pages * sysconf(_SC_PAGESIZE)) / (1 << 20);
    };
    const double before = resident();
    const auto cache = ImageCache::open("", 4000);
    ASSERT_TRUE(cache->put(key(1), picture(1)).defined());
    EXPECT_LT(resident() - before, 20) << "megabytes";
}

TEST_F(ImageCacheTest, ViewsOutliveTheCache) {
    at::Tensor view = ImageCache::open("", megabyte)->put(key(1), picture(1));
    EXPECT_TRUE(view.equal(picture(1)));
}

TEST_F(ImageCacheTest, TakesNoMoreWhenItIsFull) {
    const auto cache = ImageCache::open("", megabyte / 64);  // 16 KiB: 128 pictures of 105 bytes
    int64_t kept = 0;
    for (uint64_t i = 0; i < 200; ++i) kept += cache->put(key(i), picture(int64_t(i))).defined();
    EXPECT_EQ(kept, 128);
    EXPECT_TRUE(cache->is_full());
    for (uint64_t i = 0; i < 128; ++i) EXPECT_TRUE(cache->find(key(i)).equal(picture(int64_t(i))));
    EXPECT_FALSE(cache->find(key(150)).defined());
}

TEST_F(ImageCacheTest, AFileServesOtherRanksAndLaterRuns) {
    {
        const auto one = ImageCache::open(file, megabyte), two = ImageCache::open(file, megabyte);
        one->put(key(1), picture(1));
        EXPECT_TRUE(two->find(key(1)).equal(picture(1)));
        EXPECT_FALSE(two->put(key(1), picture(1)).defined()) << "it is there already";
        two->put(key(2), picture(2));
        EXPECT_TRUE(one->find(key(2)).equal(picture(2)));
    }
    const auto later = ImageCache::open(file, megabyte);
    EXPECT_TRUE(later->find(key(1)).equal(picture(1)));
    EXPECT_TRUE(later->find(key(2)).equal(picture(2)));
}

TEST_F(ImageCacheTest, ManyThreadsOfSeveralRanksFillItTogether) {
    const auto fill = [&](uint64_t start) {
        const auto cache = ImageCache::open(file, megabyte);
        for (uint64_t i = 0; i < 500; ++i) {
            const uint64_t number = (i * 7 + start) % 500;
            const at::Tensor found = cache->find(key(number));
            if (!found.defined())
                cache->put(key(number), picture(int64_t(number)));
            else if (!found.equal(picture(int64_t(number))))
                return false;
        }
        return true;
    };
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (uint64_t t = 0; t < 8; ++t) threads.emplace_back([&, t] { good += fill(t * 61); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 8);
    const auto cache = ImageCache::open(file, megabyte);
    for (uint64_t i = 0; i < 500; ++i) EXPECT_TRUE(cache->find(key(i)).equal(picture(int64_t(i))));
    EXPECT_LT(fs::file_size(file), 4096u + 1024 * 64 + 500 * 128 + 1) << "each of them once";
}

TEST_F(ImageCacheTest, DamagedImagesAreNotFound) {
    ImageCache::open(file, megabyte)->put(key(1), picture(1));
    const std::string sound = contents();
    const int64_t data = 4096 + 1024 * 64, slot = 4096 + 2 * 64;  // the key is its first place
    struct Case {
        const char* what;
        int64_t offset;
    };
    for (const Case& damage :
         {Case{"a pixel", data + 50}, Case{"the second half of its key", slot + 8},
          Case{"where it lies", slot + 16}, Case{"its channels", slot + 24},
          Case{"its height", slot + 28}, Case{"its width", slot + 32}, Case{"its type", slot + 36},
          Case{"its checksum", slot + 40}}) {
        SCOPED_TRACE(damage.what);
        overwrite(0, sound);
        overwrite(damage.offset, std::string(1, char(sound[size_t(damage.offset)] ^ 0x55)));
        const auto cache = ImageCache::open(file, megabyte);
        EXPECT_FALSE(cache->find(key(1)).defined());
    }
    overwrite(0, sound);
    EXPECT_TRUE(ImageCache::open(file, megabyte)->find(key(1)).defined());
}

TEST_F(ImageCacheTest, ADamagedImageIsPutThereAgain) {
    ImageCache::open(file, megabyte)->put(key(1), picture(1));
    overwrite(4096 + 1024 * 64, "x");
    const auto cache = ImageCache::open(file, megabyte);
    EXPECT_FALSE(cache->find(key(1)).defined());
    EXPECT_TRUE(cache->put(key(1), picture(1)).defined());
    EXPECT_TRUE(cache->find(key(1)).equal(picture(1)));
}

TEST_F(ImageCacheTest, WhatADeadRankLeftUnfinishedIsGivenUp) {
    ImageCache::open(file, megabyte)->put(key(1), picture(1));
    overwrite(4096 + 2 * 64 + 44, std::string(4, '\0'));  // its state
    const auto cache = ImageCache::open(file, megabyte);
    EXPECT_FALSE(cache->find(key(1)).defined());
    EXPECT_TRUE(cache->put(key(1), picture(1)).defined());
}

TEST_F(ImageCacheTest, ADamagedFileIsMadeAnew) {
    for (const int64_t offset : {16, 20, 24}) {  // version, checksum, number of slots
        ImageCache::open(file, megabyte)->put(key(1), picture(1));
        overwrite(offset, "\x7f");
        const auto cache = ImageCache::open(file, megabyte);
        EXPECT_FALSE(cache->find(key(1)).defined());
        EXPECT_TRUE(cache->put(key(1), picture(1)).defined());
    }
    ImageCache::open(file, megabyte);
    fs::resize_file(file, 5000);
    EXPECT_TRUE(ImageCache::open(file, megabyte)->put(key(1), picture(1)).defined());
}

TEST_F(ImageCacheTest, NoSingleBitOfItsHeadCanChange) {
    ImageCache::open(file, megabyte)->put(key(1), picture(1));
    const std::string sound = contents();
    constexpr size_t name = 16, head = 40;  // bytes of its name, and of all that is in its head
    for (size_t byte = 0; byte < head; ++byte)
        for (int bit = 0; bit < 8; ++bit) {
            SCOPED_TRACE(testing::Message() << "bit " << bit << " of byte " << byte);
            std::ofstream(file, std::ios::binary | std::ios::trunc) << sound;
            overwrite(int64_t(byte), std::string(1, char(sound[byte] ^ (1 << bit))));
            if (byte < name)
                EXPECT_THROW(ImageCache::open(file, megabyte), Error);
            else
                EXPECT_FALSE(ImageCache::open(file, megabyte)->find(key(1)).defined());
        }
}

TEST_F(ImageCacheTest, AnothersFileIsRefusedAndNotTouched) {
    std::ofstream(file) << "my thesis";
    EXPECT_THROW(ImageCache::open(file, megabyte), Error);
    EXPECT_EQ(contents(), "my thesis");
    EXPECT_THROW(ImageCache::open(folder, megabyte), Error);
    EXPECT_THROW(ImageCache::open(folder / "none" / "images", megabyte), Error);
}

TEST_F(ImageCacheTest, KeysFollowPathSizeTimeAndOptions) {
    const fs::path image = folder / "a.png";
    std::ofstream(image) << "1234";
    const auto key_of = [&](const DecodeOptions& options) {
        const ImageKey key = image_key(image, options);
        return std::pair(key.first, key.second);
    };
    const auto first = key_of({});
    EXPECT_EQ(key_of({}), first);
    EXPECT_NE(key_of({.mode = ImageMode::gray}), first);
    EXPECT_NE(key_of({.exif_orientation = false}), first);
    // Another file of the same size that keeps its mtime, as cp -p and rsync -t do.
    const auto changed = fs::last_write_time(image);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // file systems count in ticks
    std::ofstream(image) << "4321";
    fs::last_write_time(image, changed);
    EXPECT_NE(key_of({}), first);
    std::ofstream(image) << "12345";
    EXPECT_NE(key_of({}), first);
    EXPECT_THROW(image_key(folder / "b.png", {}), BrokenSample);
    const fs::path before = fs::current_path();
    fs::current_path(folder);
    const ImageKey relative = image_key("a.png", {});
    fs::current_path(before);
    EXPECT_EQ(relative.first, image_key(image, {}).first) << "a relative path is the same file";
}

/// An image that counts how often it is decoded.
class Counted : public Image {
  public:
    explicit Counted(int& decoded, bool is_cut = false) : decoded_(decoded), is_cut_(is_cut) {}
    int64_t height() const override { return 5; }
    int64_t width() const override { return 7; }
    at::Tensor pixels() const override {
        ++decoded_;
        if (is_cut_) throw BrokenSample("cut");
        return ((at::arange(105)) % 251).to(at::kByte).view({5, 7, 3}).permute({2, 0, 1});
    }
    at::Tensor pixels(const Region& r) const override {
        return pixels().narrow(1, r.top, r.height).narrow(2, r.left, r.width);
    }

  private:
    int& decoded_;
    const bool is_cut_;
};

TEST_F(ImageCacheTest, AnImageIsKeptWholeWhenAPartIsAskedFor) {
    int decoded = 0;
    const auto cache = ImageCache::open("", megabyte);
    const auto counted = std::make_shared<Counted>(decoded);
    const ImagePtr image = image_to_keep(counted, counted, key(1), cache);
    const at::Tensor part = image->pixels({.top = 1, .left = 2, .height = 3, .width = 4});
    EXPECT_TRUE(part.equal(picture(0).narrow(1, 1, 3).narrow(2, 2, 4)));
    EXPECT_EQ(decoded, 1);
    EXPECT_TRUE(cache->find(key(1)).equal(picture(0)));
}

TEST_F(ImageCacheTest, DamagedImagesAreNotKept) {
    int tolerant = 0, strict = 0;
    const auto cache = ImageCache::open("", megabyte);
    const ImagePtr image = image_to_keep(std::make_shared<Counted>(tolerant),
                                         std::make_shared<Counted>(strict, true), key(1), cache);
    EXPECT_TRUE(image->pixels().equal(picture(0)));
    EXPECT_EQ(tolerant, 1) << "which reports the damage";
    EXPECT_FALSE(cache->find(key(1)).defined());
}

}  // namespace
}  // namespace ailab
