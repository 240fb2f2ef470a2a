// The CNN of sdk/templates/minimal, two ways:
//   plain_cnn loop ITERATIONS   what a user writes with LibTorch: shuffle, index, convert,
//   normalise,
//                               NCHW, fused Adam, glibc's allocator
//   plain_cnn step ITERATIONS   the bare training step on one resident batch: channels_last, the
//   same
//                               caching allocator as ailab-run, fused Adam; no data at all
// Prints images/s. Threads: the second argument after that, 2 by default.
#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "data/memory_format.hpp"
#include "fashion_mnist.hpp"
#include "fused_adam.hpp"
#include "host/caching_allocator.hpp"

namespace {

struct Net : torch::nn::Module {
    Net() {
        conv1 = register_module("conv1",
                                torch::nn::Conv2d(torch::nn::Conv2dOptions(1, 32, 3).padding(1)));
        conv2 = register_module("conv2",
                                torch::nn::Conv2d(torch::nn::Conv2dOptions(32, 64, 3).padding(1)));
        fc1 = register_module("fc1", torch::nn::Linear(64 * 7 * 7, 128));
        fc2 = register_module("fc2", torch::nn::Linear(128, 10));
    }
    at::Tensor forward(at::Tensor x) {
        x = torch::max_pool2d(torch::relu(conv1(x)), 2);
        x = torch::max_pool2d(torch::relu(conv2(x)), 2);
        return fc2(torch::relu(fc1(x.flatten(1))));
    }
    torch::nn::Conv2d conv1{nullptr}, conv2{nullptr};
    torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};

}  // namespace

int main(int argc, char** argv) {
    const bool bare = argc > 1 && std::strcmp(argv[1], "step") == 0;
    const int64_t iterations = argc > 2 ? std::atoll(argv[2]) : 100, batch = 128, skip = 20;
    at::set_num_threads(argc > 3 ? std::atoi(argv[3]) : 2);
    if (bare) ailab::install_caching_allocator();
    torch::manual_seed(1);
    Net model;
    if (bare)
        for (at::Tensor& p : model.parameters())
            if (p.dim() == 4) p.set_data(ailab::to_channels_last(p.detach()));
    const FashionMnist data;
    FusedAdam adam(model.parameters(), 1e-3);
    auto normalised = [&](const at::Tensor& ids) {
        return data.images.index_select(0, ids)
            .to(torch::kFloat)
            .div_(255)
            .sub_(0.2860)
            .div_(0.3530);
    };
    at::Tensor order = torch::randperm(60000);
    const at::Tensor first = order.narrow(0, 0, batch);
    const at::Tensor resident_x = ailab::to_channels_last(normalised(first));
    const at::Tensor resident_y = data.labels.index_select(0, first);
    std::chrono::steady_clock::time_point begin;
    for (int64_t i = 0, at = 0; i < iterations; ++i) {
        if (i == skip) begin = std::chrono::steady_clock::now();
        if (at + batch > 60000) {
            order = torch::randperm(60000);
            at = 0;
        }
        at::Tensor x = resident_x, y = resident_y;
        if (!bare) {
            const at::Tensor ids = order.narrow(0, at, batch);
            at += batch;
            x = normalised(ids);
            y = data.labels.index_select(0, ids);
        }
        const at::Tensor loss = torch::nn::functional::cross_entropy(model.forward(x), y);
        for (const at::Tensor& p : adam.parameters) p.mutable_grad().reset();
        loss.backward();
        adam.step();
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("{\"images_per_second\": %.4f}\n", double((iterations - skip) * batch) / seconds);
}
