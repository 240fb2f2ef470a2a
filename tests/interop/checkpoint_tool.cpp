// Writes a checkpoint for test_safetensors.py to read, and lists a file that it wrote.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>

#include "ailab/ailab.hpp"
#include "ailab/support/crc32c.hpp"
#include "checkpoint/checkpoint.hpp"

namespace ailab {
namespace {

class OneRank final : public Comm {
  public:
    int rank() const override { return 0; }
    int world_size() const override { return 1; }
    int local_rank() const override { return 0; }
    int local_size() const override { return 1; }
    void all_reduce_sum(at::Tensor&) override {}
    void all_reduce_max(at::Tensor&) override {}
    void all_reduce_min(at::Tensor&) override {}
    void broadcast(at::Tensor&, int) override {}
    std::string broadcast_text(const std::string& text) override { return text; }
    std::vector<std::string> gather_text(const std::string& text) override { return {text}; }
    void barrier() override {}
};

void write(const std::string& path) {
    Checkpoint checkpoint;
    const at::Tensor numbers = at::arange(24, at::kFloat);
    const at::Tensor weight =
        numbers.reshape({2, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast);
    checkpoint.model = {{"conv.weight", weight},
                        {"conv.bias", at::tensor({0.5, -0.5}, at::kFloat)},
                        {"bn.num_batches_tracked", at::scalar_tensor(7, at::kLong)},
                        {"half", numbers.to(at::kHalf)},
                        {"bfloat16", numbers.to(at::kBFloat16)},
                        {"double", numbers.to(at::kDouble) / 3},
                        {"bool", numbers.remainder(3).eq(0)},
                        {"empty", at::empty({0, 4})},
                        {"tied", weight}};
    State& optimizer = checkpoint.modules["optimizer"];
    optimizer.tensors["exp_avg/conv.bias"] = at::ones({2});
    optimizer.values.set("lr", Node(0.1));
    checkpoint.run.values.set("step", Node(int64_t(3)));
    checkpoint.rank.tensors["generator"] = at::arange(8).to(at::kByte);
    checkpoint.manifest.set("step", Node(int64_t(3)));
    OneRank comm;
    write_checkpoint(path, "", checkpoint, comm);
}

void list(const std::string& path) {
    Metadata metadata;
    for (const auto& [name, tensor] : read_safetensors(path, &metadata)) {
        std::printf("%s\t%s\t%s\t%08x\n", name.c_str(), c10::toString(tensor.scalar_type()),
                    c10::str(tensor.sizes()).c_str(),
                    crc32c(tensor.const_data_ptr(), tensor.nbytes()));
    }
    for (const auto& [key, value] : metadata)
        std::printf("metadata\t%s\t%s\n", key.c_str(), value.c_str());
}

}  // namespace
}  // namespace ailab

int main(int argc, char** argv) {
    try {
        if (argc == 3 && std::strcmp(argv[1], "write") == 0) return ailab::write(argv[2]), 0;
        if (argc == 3 && std::strcmp(argv[1], "list") == 0) return ailab::list(argv[2]), 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    std::fprintf(stderr, "usage: checkpoint_tool write FOLDER | list FILE\n");
    return 2;
}
