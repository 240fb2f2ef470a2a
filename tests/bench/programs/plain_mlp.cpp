// What a user writes with LibTorch alone: shuffle, index, convert, normalise, forward, backward,
// fused Adam. glibc's allocator, one thread. Prints the time of an iteration.
#include <torch/torch.h>

#include <cstdio>

#include "fashion_mnist.hpp"
#include "fused_adam.hpp"
#include "iteration_times.hpp"

int main(int argc, char** argv) {
    const int64_t epochs = argc > 1 ? std::atoll(argv[1]) : 4, batch = 32, samples = 60000;
    at::set_num_threads(1);
    torch::manual_seed(1);
    const FashionMnist data;
    torch::nn::Sequential model(torch::nn::Flatten(), torch::nn::Linear(784, 64), torch::nn::ReLU(),
                                torch::nn::Linear(64, 10));
    FusedAdam adam(model->parameters(), 1e-3);
    IterationTimes times;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
        times.begin_epoch();
        const at::Tensor order = torch::randperm(samples);
        for (int64_t at = 0; at < samples; at += batch) {
            const at::Tensor ids = order.narrow(0, at, batch);
            const at::Tensor x = data.images.index_select(0, ids)
                                     .to(torch::kFloat)
                                     .div_(255)
                                     .sub_(0.2860)
                                     .div_(0.3530);
            const at::Tensor y = data.labels.index_select(0, ids);
            const at::Tensor loss = torch::nn::functional::cross_entropy(model->forward(x), y);
            for (const at::Tensor& p : adam.parameters) p.mutable_grad().reset();
            loss.backward();
            adam.step();
            times.iteration();
        }
        times.end_epoch();
    }
    std::printf("{\"us_per_iteration\": %.4f}\n", times.result() * 1e6);
}
