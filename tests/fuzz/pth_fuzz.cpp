// Throws damaged files at the reader of torch.save's files for a given time.
//
//     pth_fuzz SECONDS [SEED]
//
// Ends with status 1 and the number of the input at anything but a result or an Error. The
// sanitizers end it at a wrong address, and limits at too much memory or time for one input.
#include "fuzz_loop.hpp"
#include "memory_file.hpp"
#include "pth_target.hpp"

int main(int argc, char** argv) {
    using namespace ailab::test;
    const MemoryFile file;
    const std::vector<PthSeed> seeds = pth_seeds();
    constexpr unsigned patience = 20;
    return fuzz(
        "pth_fuzz", argc, argv, patience,
        [&](std::mt19937_64& random) {
            std::string bytes = mutate_pth(seeds[random() % seeds.size()], random);
            file.write(bytes);
            return bytes;
        },
        [&](const std::string&) { return read_pth_to_the_end(file.path()); });
}
