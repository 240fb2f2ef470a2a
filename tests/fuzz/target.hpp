#pragma once
// What a fuzz target is, and what targets share.
#include <string>
#include <vector>

namespace ailab::fuzz {

/// A parser that reads what others wrote.
struct Target {
    std::string name;
    /// Reads the input as the program would, and touches all that comes of it. An ailab::Error is
    /// an answer; whatever else escapes is a finding.
    void (*run)(const std::string& input) = nullptr;
    /// Makes checksums of a changed input right again, as far as it can tell where they are, so
    /// that what they guard is reached. May be null.
    void (*repair)(std::string& input) = nullptr;
    /// Another way to change an input than libFuzzer's, used for every second one. May be null.
    std::string (*change)(const std::string& input, unsigned seed) = nullptr;
    /// Inputs to begin with that a program makes (`ailab_fuzz --seeds`). May be null: they are made
    /// by make_corpus.py.
    std::vector<std::string> (*seeds)() = nullptr;
    bool listed = true;
};

/// Fills in the list of targets, before main().
struct Registration {
    explicit Registration(const Target& target);
};

/// The path of a file in memory that holds `input`, until the next call.
std::string as_file(const std::string& input);
/// Writes it into a folder of this process, and gives the folder's path.
std::string in_folder(const std::string& name, const std::string& input);

/// Ends the process with a finding: what was read is not what it should be.
[[noreturn]] void fail(const std::string& what);
inline void require(bool holds, const char* what) {
    if (!holds) fail(what);
}

}  // namespace ailab::fuzz
