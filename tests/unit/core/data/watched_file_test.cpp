// Files that a run reads throughout: one that is changed under it is an error that names it, at
// the batch that may hold something of it; memory of it that is gone ends nothing by a signal.
#include "ailab/support/watched_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "data/batch_maker.hpp"
#include "data/cache_file.hpp"
#include "fake_samples.hpp"
#include "host/file_watch.hpp"
#include "host/mapped_memory.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::loader_options;

const std::string three_pages(3 * 4096, 'a');

class WatchedFiles : public testing::Test {
  protected:
    std::string write(const std::string& name, const std::string& bytes) const {
        return folder.write(name, bytes);
    }
    /// As `dd conv=notrunc`: the file stays the same one.
    static void overwrite(const std::string& path, const std::string& bytes) {
        std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << bytes;
    }
    static void set_time(const std::string& path, time_t seconds) {
        const timespec times[2] = {{seconds, 0}, {seconds, 0}};
        ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    }
    TemporaryFolder folder;
};

struct Change {
    const char* name;
    std::function<void(const std::string& path)> apply;
    const char* what;
};

const std::vector<Change>& changes() {
    static const std::vector<Change> all = {
        {"nothing", [](const std::string&) {}, ""},
        {"read", [](const std::string& path) { std::ifstream(path).get(); }, ""},
        {"linked", [](const std::string& path) { fs::create_hard_link(path, path + ".link"); }, ""},
        {"cut", [](const std::string& path) { fs::resize_file(path, 10); },
         "it had 12288 bytes and has 10"},
        {"emptied and written anew, as by cp",
         [](const std::string& path) { std::ofstream(path) << three_pages; }, "it was written to"},
        {"appended to", [](const std::string& path) { std::ofstream(path, std::ios::app) << "x"; },
         "it had 12288 bytes and has 12289"},
        {"replaced, as by mv",
         [](const std::string& path) {
             std::ofstream(path + ".new") << three_pages;
             fs::last_write_time(path + ".new", fs::last_write_time(path));
             fs::rename(path + ".new", path);
         },
         "another file has taken its place"},
        {"removed", [](const std::string& path) { fs::remove(path); }, "it is gone"},
    };
    return all;
}

TEST_F(WatchedFiles, SayWhatBecameOfThem) {
    int number = 0;
    for (const Change& change : changes()) {
        SCOPED_TRACE(change.name);
        const std::string path = write(std::to_string(number++), three_pages);
        set_time(path, 1'000'000);
        const MappedFile mapped(path);
        const WatchedFile watched(path);
        change.apply(path);
        for (const auto& check :
             {std::function([&] { mapped.check(); }), std::function([&] { watched.check(); })}) {
            const std::string text = error_of(check);
            EXPECT_EQ(text, *change.what == '\0'
                                ? ""
                                : concat(path, " was changed under the run: ", change.what,
                                         ". A run uses its files to the end: leave them as they "
                                         "are, and give new ones other names"));
        }
    }
}

TEST_F(WatchedFiles, AnotherWriteOfTheSameSizeIsSeenByItsTime) {
    const std::string path = write("a", three_pages);
    set_time(path, 1'000'000);
    const WatchedFile file(path);
    overwrite(path, "b");
    EXPECT_NE(error_of([&] { file.check(); }).find("it was written to"), std::string::npos);
}

TEST_F(WatchedFiles, AreFoundAgainFromAnotherFolder) {
    write("a", three_pages);
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    const MappedFile file("a");
    fs::current_path(before);
    EXPECT_EQ(error_of([&] { file.check(); }), "");
    fs::remove(folder.path("a"));
    EXPECT_EQ(error_of([&] { file.check(); }).find("a was changed under the run: it is gone"), 0u);
}

TEST_F(WatchedFiles, MemoryOfAFileThatWasCutIsZerosAndAnError) {
    for (const size_t left : {size_t(0), size_t(4096), size_t(5000)}) {
        const std::string path = write("a", three_pages);
        const MappedFile file(path);
        const std::string_view text = file.text();
        fs::resize_file(path, off_t(left));
        const size_t whole_pages = (left + 4095) / 4096 * 4096;
        for (size_t i = 0; i < text.size(); ++i)
            ASSERT_EQ(text[i], i < left ? 'a' : '\0') << i << " of " << whole_pages;
        EXPECT_EQ(error_of([&] { file.check(); }),
                  concat(path,
                         " was changed under the run: a part of it can no longer be read. A "
                         "run uses its files to the end: leave them as they are, and give "
                         "new ones other names"));
    }
}

TEST_F(WatchedFiles, AFaultInOtherMappedMemoryEndsTheProcessWithAMessage) {
    const std::string path = write("of a library", three_pages);
    EXPECT_EXIT(
        {
            take_over_bus_faults();
            const int file = open(path.c_str(), O_RDONLY);
            const auto* data = static_cast<const volatile char*>(
                mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file, 0));
            fs::resize_file(path, 0);
            exit(data[0]);
        },
        testing::ExitedWithCode(1),
        "ailab: " + path + " can no longer be read \\(SIGBUS\\): it was cut or written anew");
}

struct Crash {
    const char* name;  // of the signal
    int signal;
    void (*happen)();
};

/// All that other code may run into.
const std::vector<Crash> crashes = {
    {"SIGSEGV", SIGSEGV,
     [] {
         volatile int* const nowhere = nullptr;
         *nowhere = 1;
     }},
    {"SIGSEGV", SIGSEGV, [] { raise(SIGSEGV); }},
    {"SIGABRT", SIGABRT, [] { std::abort(); }},
    {"SIGBUS", SIGBUS, [] { raise(SIGBUS); }},
#if defined(__x86_64__)
    {"SIGILL", SIGILL, [] { __asm__ volatile("ud2"); }},
    {"SIGTRAP", SIGTRAP, [] { __asm__ volatile("int3"); }},
    {"SIGFPE", SIGFPE,
     [] {
         __asm__ volatile("xor %%eax, %%eax; div %%eax" ::: "eax", "edx");
     }},
    // An address that cannot be, by way of the stack's registers.
    {"SIGBUS", SIGBUS, [] { __asm__ volatile("movabs $0x8000000000000000, %rsp; pop %rax"); }},
    {"SIGSEGV", SIGSEGV, [] { __asm__ volatile("movq $64, %rsp; pop %rax"); }},
#endif
};

TEST_F(WatchedFiles, ACrashIsToldAsThatOfAPluginWhoseFileWasChanged) {
    for (const Crash& crash : crashes) {
        SCOPED_TRACE(&crash - crashes.data());
        const std::string path = write("libmine.so", three_pages);
        const auto watch = [&] {
            take_over_bus_faults();
            watch_code(path);
        };
        EXPECT_EXIT(
            {
                const SignalStack stack;
                watch();
                std::ofstream(path) << "other code";
                crash.happen();
            },
            testing::ExitedWithCode(1),
            concat("ailab: ", path, " was changed under the run, which crashed \\(", crash.name,
                   "\\)"));
        write("libmine.so", three_pages);
        EXPECT_EXIT(
            {
                const SignalStack stack;
                watch();
                crash.happen();
            },
            testing::KilledBySignal(crash.signal), "^$");
    }
}

TEST_F(WatchedFiles, ASignalThatSomebodySendsActsAsItDoes) {
    EXPECT_EXIT(
        {
            take_over_bus_faults();
            raise(SIGBUS);
        },
        testing::KilledBySignal(SIGBUS), "");
}

/// A sample is a byte of a file; several samples a file.
class Bytes : public Dataset {
  public:
    explicit Bytes(const std::vector<std::string>& paths) {
        for (const std::string& path : paths) files.push_back(std::make_unique<MappedFile>(path));
    }
    int64_t size() const override { return int64_t(4 * files.size()); }
    Sample get(int64_t i, const SampleContext&) const override {
        const char byte = files[size_t(i / 4)]->text()[size_t(4095 * (i % 4))];
        if (byte == '\0') throw BrokenSample("this is no letter");
        return Sample(at::scalar_tensor(int64_t(byte)), at::scalar_tensor(i));
    }
    std::vector<std::unique_ptr<MappedFile>> files;
};

LoaderOptions in_order(std::shared_ptr<const Dataset> data, int64_t batch) {
    std::vector<int64_t> ids(static_cast<size_t>(data->size()));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = int64_t(i);
    LoaderOptions options = loader_options(std::move(data), batch);
    options.sampler = std::make_shared<test::FixedOrder>(std::move(ids));
    return options;
}

std::string error_text(const MadeBatch& made) {
    return made.error ? error_of([&] { std::rethrow_exception(made.error); }) : "";
}

TEST_F(WatchedFiles, ABatchFromAFileThatWasChangedIsAnError) {
    int number = 0;
    for (const Change& change : changes()) {
        SCOPED_TRACE(change.name);
        const std::string path = write("of batches" + std::to_string(number++), three_pages);
        set_time(path, 1'000'000);
        const auto data = std::make_shared<Bytes>(std::vector<std::string>{path});
        BatchMaker maker(in_order(data, 2));
        EXPECT_EQ(error_text(maker.make(0, {})), "");
        change.apply(path);
        const std::string text = error_text(maker.make(1, {}));
        if (*change.what == '\0')
            EXPECT_EQ(text, "");
        else
            EXPECT_EQ(text.find(path + " was changed under the run: "), 0u) << text;
    }
}

TEST_F(WatchedFiles, OfManyFilesThoseThatABatchCameFromAreLookedAtWithIt) {
    std::vector<std::string> paths;
    for (int i = 0; i < 200; ++i) paths.push_back(write(std::to_string(i), three_pages));
    const auto data = std::make_shared<Bytes>(paths);
    BatchMaker maker(in_order(data, 4));
    EXPECT_EQ(error_text(maker.make(0, {})), "");
    fs::remove(paths[150]);
    EXPECT_EQ(error_text(maker.make(150, {})).find(paths[150]), 0u);
}

TEST_F(WatchedFiles, OthersAreLookedAtInTurn) {
    std::vector<std::string> paths;
    for (int i = 0; i < 20; ++i) paths.push_back(write(std::to_string(i), three_pages));
    const auto data = std::make_shared<Bytes>(paths);
    const WatchedFile code(write("code", "x"));
    BatchMaker maker(in_order(data, 4));
    fs::remove(code.path());
    std::string text;
    for (int64_t i = 0; i < 20 && text.empty(); ++i) text = error_text(maker.make(i % 5, {}));
    EXPECT_EQ(text.find(code.path() + " was changed under the run: it is gone"), 0u) << text;
}

TEST_F(WatchedFiles, WhatIsWatchedNoMoreMayGo) {
    const std::string path = write("a", three_pages);
    const auto data = std::make_shared<test::FakeSamples>(8);
    BatchMaker maker(in_order(data, 2));
    { const WatchedFile file(path); }
    fs::remove(path);
    for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(error_text(maker.make(i, {})), "");
}

/// A data set may open a file where a sample first needs it. ThreadSanitizer sees a race here where
/// there is one.
TEST_F(WatchedFiles, MayBeOpenedWhileOtherThreadsMakeBatches) {
    const std::string path = write("a", three_pages);
    const auto data = std::make_shared<Bytes>(std::vector<std::string>{path});
    std::atomic<bool> opened{false};
    std::string text;
    std::thread loader([&] {
        BatchMaker maker(in_order(data, 4));
        for (int64_t i = 0; !opened && text.empty(); ++i) text = error_text(maker.make(i % 5, {}));
    });
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(MappedFile(path).text().size(), three_pages.size());
    opened = true;
    loader.join();
    EXPECT_EQ(text, "");
}

TEST_F(WatchedFiles, ACacheMayGrowAndNotShrinkOrGo) {
    const std::vector<Change> rows = {
        {"appended to", [](const std::string& path) { std::ofstream(path, std::ios::app) << "x"; },
         ""},
        {"cut", [](const std::string& path) { fs::resize_file(path, 100); }, "bytes and has 100"},
        {"removed", [](const std::string& path) { fs::remove(path); }, "it is gone"},
    };
    for (const Change& change : rows) {
        SCOPED_TRACE(change.name);
        const std::string path = folder.path(std::string("cache ") + change.name);
        CacheFile cache(path, 1 << 20, [](CacheFile&) {});
        change.apply(path);
        EXPECT_EQ(*static_cast<uint64_t*>(cache.slot(0)), 0u) << "no signal";
        FileUses uses;
        const auto check = [&] {
            for (int i = 0; i < 4; ++i) uses.check();
        };
        const std::string text = error_of(check);
        if (*change.what == '\0')
            EXPECT_EQ(text, "");
        else
            EXPECT_EQ(text.find(path + " was changed under the run: "), 0u) << text;
    }
}

}  // namespace
}  // namespace ailab
