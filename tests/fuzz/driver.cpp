// All fuzz targets in one binary, since most of its making is the same for all.
//
//     ailab_fuzz --list                       the targets' names
//     ailab_fuzz --replay [FOLDER|FILE]…      each file by the target that its folder is named
//     after ailab_fuzz --seeds TARGET FOLDER        writes inputs to begin with, of targets that
//     make some ailab_fuzz TARGET [libFuzzer's options and folders]
//
// The last one needs libFuzzer (clang). A finding ends the process with a status other than 0, and
// the input's path.
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "core/checkpoint/memory_file.hpp"
#include "target.hpp"
#include "temporary_folder.hpp"

/// LibTorch's containers are not instrumented, and it leaks at exit. No input of a corpus is worth
/// half a gigabyte.
extern "C" const char* __asan_default_options() {
    return "detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=0:"
           "max_allocation_size_mb=512:hard_rss_limit_mb=3072";
}
extern "C" const char* __ubsan_default_options() {
    return "print_stacktrace=1";
}

namespace ailab::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

const Target* find_target(const std::string& name) {
    for (const Target& target : targets())
        if (target.name == name) return &target;
    return nullptr;
}

const Target* chosen = nullptr;
/// Of the input that is read, for who reports a crash; "" under libFuzzer, which writes its own.
std::string input_path;

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void run(const Target& target, const std::string& input) {
    try {
        target.run(input);
    } catch (const Error& error) {
        require(*error.what() != '\0', "an Error says nothing");
    } catch (const std::exception& error) {
        fail(std::string("an exception that is no ailab::Error: ") + error.what());
    }
}

void tell_input() {
    if (input_path.empty()) return;
    std::fprintf(stderr, "\nThe input was %s\n", input_path.c_str());
}

void out_of_time(int) {
    std::fprintf(stderr, "\nThis input takes longer than any should: %s\n", input_path.c_str());
    _exit(1);
}

/// Reads each file once; the number of them.
int replay(const Target& target, const std::vector<fs::path>& files) {
    constexpr unsigned patience = 30;  // seconds
    for (const fs::path& file : files) {
        input_path = file.string();
        alarm(patience);
        run(target, contents(file));
        alarm(0);
    }
    input_path.clear();
    return int(files.size());
}

std::vector<fs::path> files_in(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

int usage(const std::string& mistake) {
    std::fprintf(stderr, "ailab_fuzz: %s; ailab_fuzz --list names the targets\n", mistake.c_str());
    return 2;
}

int replay_all(const std::vector<std::string>& paths) {
    __sanitizer_set_death_callback(tell_input);
    signal(SIGALRM, out_of_time);
    int inputs = 0;
    for (const std::string& path : paths) {
        fs::path given = fs::path(path).lexically_normal();
        if (!given.has_filename()) given = given.parent_path();  // of "folder/"
        const bool is_folder = fs::is_directory(given);
        const fs::path folder = is_folder ? given : fs::absolute(given).parent_path();
        const Target* target = find_target(folder.filename().string());
        if (!target) return usage(path + " is in no folder that is named after a target");
        inputs += replay(*target, is_folder ? files_in(given) : std::vector<fs::path>{given});
    }
    std::printf("%d inputs read\n", inputs);
    return 0;
}

int write_seeds(const Target* target, const fs::path& folder) {
    if (!target || !target->seeds) return usage("no target that makes its seeds");
    fs::create_directories(folder);
    int number = 0;
    for (const std::string& seed : target->seeds())
        std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    return 0;
}

/// Everything but fuzzing itself. Returns only where a target is to be fuzzed, which is then
/// chosen.
void follow(const std::vector<std::string>& arguments) {
    log_through([](const std::string&) {});  // a line for every damaged input helps nobody
    const std::string first = arguments.empty() ? "" : arguments[0];
    if (first == "--list") {
        for (const Target& target : targets())
            if (target.listed) std::printf("%s\n", target.name.c_str());
        std::exit(0);
    }
    if (first == "--replay") std::exit(replay_all({arguments.begin() + 1, arguments.end()}));
    if (first == "--seeds" && arguments.size() == 3)
        std::exit(write_seeds(find_target(arguments[1]), arguments[2]));
    chosen = find_target(first);
    if (!chosen) std::exit(usage("no target \"" + first + "\""));
}

}  // namespace

Registration::Registration(const Target& target) {
    auto& all = targets();
    all.insert(std::find_if(all.begin(), all.end(),
                            [&](const Target& other) { return other.name > target.name; }),
               target);
}

std::string as_file(const std::string& input) {
    static const test::MemoryFile file;
    file.write(input);
    return file.path();
}

std::string in_folder(const std::string& name, const std::string& input) {
    static const TemporaryFolder folder;
    folder.write(name, input);
    return folder.path();
}

void fail(const std::string& what) {
    std::fprintf(stderr, "ailab_fuzz: %s\n", what.substr(0, what.find('\n')).c_str());
    tell_input();
    std::abort();
}

}  // namespace ailab::fuzz

#ifdef AILAB_LIBFUZZER

using ailab::fuzz::chosen;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    constexpr const char* handed_on = "AILAB_FUZZ_TARGET";
    const bool is_child = *count > 1 && (*arguments)[1][0] == '-' && (*arguments)[1][1] != '-';
    // libFuzzer starts itself again with its own arguments alone, to minimise or merge.
    if (const char* name = std::getenv(handed_on); name && is_child) {
        ailab::fuzz::follow({name});
        return 0;
    }
    ailab::fuzz::follow({*arguments + 1, *arguments + *count});
    setenv(handed_on, chosen->name.c_str(), 1);
    std::copy(*arguments + 2, *arguments + *count + 1, *arguments + 1);  // and the null behind
    --*count;
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ailab::fuzz::run(*chosen, {reinterpret_cast<const char*>(data), size});
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
    std::minstd_rand random(seed);
    std::string input;
    if (chosen->change && random() % 2 == 0) {
        input = chosen->change({reinterpret_cast<const char*>(data), size}, seed);
    } else {
        size = LLVMFuzzerMutate(data, size, max_size);
        input.assign(reinterpret_cast<const char*>(data), size);
    }
    if (chosen->repair && random() % 4 != 0) chosen->repair(input);
    size = std::min(input.size(), max_size);
    std::copy_n(input.data(), size, data);
    return size;
}

#else

int main(int count, char** arguments) {
    ailab::fuzz::follow({arguments + 1, arguments + count});
    std::fprintf(stderr, "ailab_fuzz: built without libFuzzer; build it with clang\n");
    return 2;
}

#endif
