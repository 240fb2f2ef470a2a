// Throws damaged files at the image decoders for a given time.
//
//     image_fuzz SECONDS [SEED]
//
// Ends with status 1 and the number of the input at anything but pixels or BrokenSample. The
// sanitizers end it at a wrong address, and limits at too much memory or time for one input.
#include "fuzz_loop.hpp"
#include "image_target.hpp"

int main(int argc, char** argv) {
    using namespace ailab::test;
    const std::vector<std::string> seeds = image_seeds();
    constexpr unsigned patience = 60;
    return fuzz(
        "image_fuzz", argc, argv, patience,
        [&](std::mt19937_64& random) {
            return mutate_image(seeds[random() % seeds.size()], random);
        },
        [](const std::string& file) { return decode_to_the_end(file); });
}
