#include "caching_allocator.hpp"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <new>
#include <vector>

namespace ailab {

namespace {

// A block is a 64-byte header followed by the memory that the tensor sees.
constexpr size_t alignment = 64;
struct alignas(alignment) Header {
    uint32_t size_class;
    int64_t given_back;  // when, in seconds
};

// Four classes to each power of two, from 64 bytes: at most a quarter is wasted.
constexpr int classes = 4 * 40;
constexpr int class_of(size_t bytes) {
    if (bytes <= 64) return 0;
    const int top = std::bit_width(bytes - 1) - 1;  // 2^top < bytes <= 2^(top+1)
    const size_t quarter = size_t(1) << (top - 2);
    const int part = int((bytes - 1 - (size_t(1) << top)) / quarter);
    return (top - 6) * 4 + part + 1;
}
constexpr size_t size_of(int size_class) {
    if (size_class == 0) return 64;
    const int top = (size_class - 1) / 4 + 6;
    return (size_t(1) << top) + size_t((size_class - 1) % 4 + 1) * (size_t(1) << (top - 2));
}

// Of blocks below this size those that a thread has for itself are not worth counting: the way from
// its cache and back has no atomic operation and no clock, and it is taken a hundred times a step.
constexpr int first_counted = class_of(4096);

/// Bytes that are in use and that lie idle. What is not counted one by one is in use as long as it
/// is with a thread.
std::atomic<size_t> in_use{0};
std::atomic<size_t> peak_in_use{0};
std::atomic<size_t> cached{0};
/// Blocks are given back to the system only when a new one is wanted from there while more than
/// this, or than was ever in use at once, lies idle: those that nobody wanted for some time, and
/// all of them at some times as much. So a loop that asks for the same sizes again and again finds
/// all of them here, even if together they exceed what it uses at any one time.
constexpr size_t least_cached = size_t(32) << 20;
constexpr int64_t long_idle = 10;  // seconds
constexpr size_t most_cached = 3;  // times

void count_in_use(size_t bytes) {
    const size_t now = in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    size_t peak = peak_in_use.load(std::memory_order_relaxed);
    while (now > peak && !peak_in_use.compare_exchange_weak(peak, now, std::memory_order_relaxed))
        ;
}

int64_t now_in_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);  // a few nanoseconds
    return now.tv_sec;
}

void count_idle(Header& block) {
    const size_t bytes = size_of(int(block.size_class));
    block.given_back = now_in_seconds();
    in_use.fetch_sub(bytes, std::memory_order_relaxed);
    cached.fetch_add(bytes, std::memory_order_relaxed);
}

void count_taken(const Header& block) {
    const size_t bytes = size_of(int(block.size_class));
    cached.fetch_sub(bytes, std::memory_order_relaxed);
    count_in_use(bytes);
}

using Blocks = std::array<std::vector<Header*>, classes>;

Header* take_last(std::vector<Header*>& blocks) {
    if (blocks.empty()) return nullptr;
    Header* block = blocks.back();
    blocks.pop_back();
    return block;
}

/// Blocks that no thread's cache had room for. Lives until the process ends, since tensors in
/// static storage are freed late.
struct SharedPool {
    std::mutex mutex;
    Blocks blocks;
};
SharedPool& shared_pool() {
    static SharedPool* pool = new SharedPool;  // never destroyed, see above
    return *pool;
}

struct ThreadCache {
    static constexpr size_t room = 32;  // blocks a class
    Blocks blocks;
    ThreadCache();
    ~ThreadCache();
};
// Words beside the cache itself, which are read without a guard. (Not in the initial-exec model:
// with it a program could no longer load the library at run time.)
struct OwnCache {
    ThreadCache* cache = nullptr;
    bool ended = false;  // with its thread
};
constinit thread_local OwnCache own;
ThreadCache::ThreadCache() {
    own.cache = this;
}
ThreadCache::~ThreadCache() {
    own = {.cache = nullptr, .ended = true};
    SharedPool& pool = shared_pool();
    std::lock_guard lock(pool.mutex);
    for (int i = 0; i < classes; ++i) {
        if (i < first_counted)
            for (Header* block : blocks[i]) count_idle(*block);
        pool.blocks[i].insert(pool.blocks[i].end(), blocks[i].begin(), blocks[i].end());
    }
}
ThreadCache* thread_cache() {
    const OwnCache present = own;
    if (present.cache || present.ended) return present.cache;
    thread_local ThreadCache cache;
    return &cache;
}

Header* take_shared(int size_class) {
    SharedPool& pool = shared_pool();
    std::lock_guard lock(pool.mutex);
    return take_last(pool.blocks[size_class]);
}

/// Frees the counted blocks from class `first` on that were given back until `time`.
void free_older(Blocks& blocks, int first, int64_t time) {
    for (int i = first; i < classes; ++i) {
        const size_t freed = std::erase_if(blocks[i], [&](Header* block) {
            if (block->given_back > time) return false;
            std::free(block);
            return true;
        });
        cached.fetch_sub(freed * size_of(i), std::memory_order_relaxed);
    }
}

/// The same of what this thread and the shared pool hold.
void free_older(int64_t time) {
    if (ThreadCache* cache = thread_cache()) free_older(cache->blocks, first_counted, time);
    SharedPool& pool = shared_pool();
    std::lock_guard lock(pool.mutex);
    free_older(pool.blocks, 0, time);
}

/// Frees what is idle and nobody is likely to want, if it is too much.
void trim() {
    const size_t limit = std::max(least_cached, peak_in_use.load(std::memory_order_relaxed));
    const size_t idle = cached.load(std::memory_order_relaxed);
    if (idle <= limit) return;
    const int64_t now = now_in_seconds();
    free_older(idle > most_cached * limit ? now : now - long_idle);
}

/// From the system, which is given back what is idle before it is taken to have no more.
void* new_memory(size_t bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, bytes) == 0) return memory;
    free_older(now_in_seconds());
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}

Header* take(int size_class, size_t bytes) {
    if (ThreadCache* cache = thread_cache())
        if (Header* block = take_last(cache->blocks[size_class])) {
            if (size_class >= first_counted) count_taken(*block);
            return block;
        }
    if (Header* block = take_shared(size_class)) {
        count_taken(*block);
        return block;
    }
    trim();
    const size_t rounded = size_of(size_class);
    void* memory = new_memory(sizeof(Header) + rounded);
    TORCH_CHECK(memory, "out of memory: ", bytes, " bytes wanted on the CPU");
    count_in_use(rounded);
    return new (memory) Header{uint32_t(size_class), 0};
}

void give_back(Header* block) {
    const int size_class = int(block->size_class);
    ThreadCache* cache = thread_cache();
    if (cache && cache->blocks[size_class].size() < cache->room) {
        if (size_class >= first_counted) count_idle(*block);
        cache->blocks[size_class].push_back(block);
        return;
    }
    count_idle(*block);
    SharedPool& pool = shared_pool();
    std::lock_guard lock(pool.mutex);
    pool.blocks[size_class].push_back(block);
}

void free_data(void* data) {
    if (data) give_back(reinterpret_cast<Header*>(static_cast<char*>(data) - sizeof(Header)));
}

class CachingAllocator final : public c10::Allocator {
  public:
    c10::DataPtr allocate(size_t bytes) override {
        void* data = nullptr;
        if (bytes != 0) {
            const int size_class = class_of(bytes);
            TORCH_CHECK(size_class < classes, "cannot allocate ", bytes, " bytes");
            data = take(size_class, bytes) + 1;
        }
        return {data, data, &free_data, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &free_data; }
    void copy_data(void* to, const void* from, size_t bytes) const override {
        std::memcpy(to, from, bytes);
    }
};

}  // namespace

void install_caching_allocator() {
    static CachingAllocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
}

}  // namespace ailab
