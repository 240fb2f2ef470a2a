// All-reduce of two local ranks over each backend: one JSON line a result. The quietest of many
// short blocks counts: what a busy neighbour adds says nothing about the code.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include "ailab/shared_buckets.hpp"
#include "support/modules.hpp"
#include "support/ranks.hpp"

namespace {

using namespace ailab::testing;
using CommPtr = c10::intrusive_ptr<c10d::Backend>;

struct Case {
    std::string name;
    int64_t count;
    int calls;
    int blocks;
    bool in_place;
};

/// Microseconds a round of `work`: the least of `blocks` blocks.
double quietest(const CommPtr& comm, int calls, int blocks, const std::function<void()>& work) {
    double best = 1e30;
    for (int block = 0; block < blocks; ++block) {
        comm->barrier()->wait();
        const auto begun = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i) work();
        const std::chrono::duration<double, std::micro> spent =
            std::chrono::steady_clock::now() - begun;
        best = std::min(best, spent.count() / calls);
    }
    return best;
}

/// What an all-reduce adds to writing the tensor, as backward does in each iteration: without that
/// the sums would stay in each rank's own cache.
double added_by_allreduce(const CommPtr& comm, at::Tensor tensor, int calls, int blocks) {
    const at::Tensor own = at::empty_like(tensor);
    const size_t bytes = tensor.nbytes();
    std::vector<at::Tensor> tensors{tensor};
    const double both = quietest(comm, calls, blocks, [&] {
        std::memset(tensors[0].data_ptr(), 0, bytes);
        comm->allreduce(tensors)->wait();
    });
    const double writing =
        quietest(comm, calls, blocks, [&] { std::memset(own.data_ptr(), 0, bytes); });
    return both - writing;
}

std::string line(const std::string& name, double value) {
    char text[200];
    std::snprintf(text, sizeof text,
                  "{\"bench\": \"collectives\", \"case\": \"%s\", \"value\": %.3f, \"unit\": "
                  "\"us\"}\n",
                  name.c_str(), value);
    return text;
}

std::string measure(const std::string& name, const ailab::RankInfo& rank_info,
                    const c10::intrusive_ptr<c10d::Store>& store) {
    at::set_num_threads(1);
    const auto module = load_backend(name);
    const CommPtr comm = module->create(rank_info, store, at::kCPU);
    auto* shared = dynamic_cast<ailab::SharedBuckets*>(comm.get());
    const bool slow = name == "gloo";
    std::string text;
    for (const Case& c :
         {Case{"1", 1, 200, 200, false}, Case{"1k", 1000, 200, 200, false},
          Case{"51k", 50890, 50, 200, false}, Case{"51k in place", 50890, 50, 200, true},
          Case{"25M", 25000000, 1, 20, false}, Case{"25M in place", 25000000, 1, 30, true}}) {
        if (c.in_place && !shared) continue;
        at::Tensor tensor;
        if (c.in_place) {
            tensor = shared->allocate_bucket(c.count * 4);
            if (!tensor.defined()) continue;
            tensor = tensor.view(at::kFloat);
        } else {
            tensor = at::empty({c.count});
        }
        const double us =
            added_by_allreduce(comm, tensor, c.calls, slow ? c.blocks / 10 : c.blocks);
        text += line(name + " allreduce " + c.name + " float32, 2 ranks", us);
    }
    comm->barrier()->wait();
    const bool report = rank_info.rank == 0;
    module->shutdown();
    return report ? text : "";
}

int under_mpirun(const char* rank, const char* size) {
    const char* folder = std::getenv("OMPI_MCA_orte_jobfam_session_dir");
    auto store = c10::make_intrusive<c10d::FileStore>(
        std::string(folder ? folder : "/tmp") + "/bench", std::atoi(size));
    std::cout << measure("mpi", rank_info_of(std::atoi(rank), std::atoi(size)), store);
    return 0;
}

}  // namespace

int main(int, char** argv) {
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
    if (rank && size) return under_mpirun(rank, size);
    for (const std::string& name : built_backends({"shm", "gloo"})) {
        const auto results = run_ranks(
            2,
            [&](int r, c10::intrusive_ptr<c10d::Store> store) {
                return measure(name, rank_info_of(r, 2), store);
            },
            120);
        std::cout << results[0].report << std::flush;
        for (const auto& result : results)
            if (result.status != 0) {
                std::cerr << name << " failed: " << result.report << "\n";
                return 1;
            }
    }
    if (built_backends({"mpi"}).empty()) return 0;
    const std::string command = std::string("mpirun --oversubscribe -np 2 ") + argv[0];
    return std::system(command.c_str()) == 0 ? 0 : 1;
}
