#pragma once
// What tests and the fuzzer throw at the reader of torch.save's files.
#include <random>
#include <string>
#include <vector>

namespace ailab::test {

/// Small files with all that files of torch.save() have: both formats, views, wrappers, numpy's
/// scalars, an optimizer.
struct PthSeed {
    std::string pickle;
    bool legacy = false;

    /// The file around the pickle, or around another one.
    std::string file(const std::string& pickle) const;
};
std::vector<PthSeed> pth_seeds();

/// Changes bytes, numbers and instructions in a few places.
std::string mutate_bytes(std::string bytes, std::mt19937_64& random);
/// A damaged file: of the container, or of the pickle in a container that is right.
std::string mutate_pth(const PthSeed& seed, std::mt19937_64& random);

/// Reads everything that can be read from the file, and touches every byte of it. Whatever it
/// holds, the answer is a result (true) or an Error (false); anything else escapes.
bool read_pth_to_the_end(const std::string& path);

}  // namespace ailab::test
