#pragma once
// What tests and the fuzzer throw at the image decoders.
#include <random>
#include <string>
#include <vector>

namespace ailab::test {

/// Small files of all formats and kinds.
std::vector<std::string> image_seeds(int height = 37, int width = 45);

/// Changes, removes, doubles or cuts bytes in a few places.
std::string mutate_image(std::string file, std::mt19937_64& random);

/// Decodes it in all ways, strictly and tolerantly, and touches every pixel. Whatever the file
/// holds, the answer is pixels (true) or BrokenSample (false); anything else escapes, such as
/// std::logic_error when a part differs from the whole.
bool decode_to_the_end(const std::string& file);

}  // namespace ailab::test
