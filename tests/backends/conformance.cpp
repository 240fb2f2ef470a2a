// conformance BACKEND…: checks the backends against each other; run under mpirun, a rank a process.
#include <ATen/Parallel.h>

#include <cstdlib>
#include <iostream>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include "suite.hpp"
#include "support/modules.hpp"

int main(int argc, char** argv) {
    using namespace ailab::testing;
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
    const char* folder = std::getenv("OMPI_MCA_orte_jobfam_session_dir");
    if (!rank || !size || !folder || argc < 2) {
        std::cerr << "usage: mpirun -np N conformance BACKEND...\n";
        return 2;
    }
    at::set_num_threads(1);
    try {
        const ailab::RankInfo rank_info = rank_info_of(std::atoi(rank), std::atoi(size));
        auto store = c10::make_intrusive<c10d::FileStore>(std::string(folder) + "/store",
                                                          rank_info.world_size);
        std::vector<std::shared_ptr<ailab::Backend>> modules;
        std::vector<CommPtr> backends;
        for (int i = 1; i < argc; ++i) {
            modules.push_back(load_backend(argv[i]));
            backends.push_back(modules.back()->create(rank_info, store, at::kCPU));
        }
        const std::string wrong = check_all(backends);
        std::cerr << wrong;
        backends.clear();
        for (const auto& module : modules) module->shutdown();
        return wrong.empty() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "rank " << rank << ": " << error.what() << "\n";
        // Without MPI_Finalize, so that mpirun ends the others.
        std::_Exit(1);
    }
}
