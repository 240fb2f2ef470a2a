// What a user writes with LibTorch alone: shuffle, index, convert, normalise, forward, backward,
// fused Adam. glibc's allocator, one thread. Prints the time of an iteration.
#include <torch/torch.h>

#include <chrono>
#include <cstdio>

#include "fashion_mnist.hpp"
#include "fused_adam.hpp"

int main(int argc, char** argv) {
    const int64_t iterations = argc > 1 ? std::atoll(argv[1]) : 4000, batch = 32, skip = 200;
    at::set_num_threads(1);
    torch::manual_seed(1);
    const FashionMnist data;
    torch::nn::Sequential model(torch::nn::Flatten(), torch::nn::Linear(784, 64), torch::nn::ReLU(),
                                torch::nn::Linear(64, 10));
    FusedAdam adam(model->parameters(), 1e-3);
    at::Tensor order = torch::randperm(60000);
    std::chrono::steady_clock::time_point begin;
    for (int64_t i = 0, at = 0; i < iterations; ++i) {
        if (i == skip) begin = std::chrono::steady_clock::now();
        if (at + batch > 60000) {
            order = torch::randperm(60000);
            at = 0;
        }
        const at::Tensor ids = order.narrow(0, at, batch);
        at += batch;
        const at::Tensor x =
            data.images.index_select(0, ids).to(torch::kFloat).div_(255).sub_(0.2860).div_(0.3530);
        const at::Tensor y = data.labels.index_select(0, ids);
        const at::Tensor loss = torch::nn::functional::cross_entropy(model->forward(x), y);
        for (const at::Tensor& p : adam.parameters) p.mutable_grad().reset();
        loss.backward();
        adam.step();
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("{\"us_per_iteration\": %.4f}\n", seconds / double(iterations - skip) * 1e6);
}
