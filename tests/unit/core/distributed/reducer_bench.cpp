// What the reducer itself costs an iteration of a small model: forward and backward of the MLP
// 784-64-10 with it, over a backend that does nothing, against the same with gradients dropped.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "distributed/reducer.hpp"

namespace {

using Clock = std::chrono::steady_clock;

class NoWork final : public c10d::Work {
  public:
    bool wait(std::chrono::milliseconds) override { return true; }
};

class NoBackend final : public c10d::Backend {
  public:
    NoBackend() : Backend(0, 2) {}
    const std::string getBackendName() const override { return "none"; }
    c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>&,
                                             const c10d::AllreduceOptions&) override {
        return c10::make_intrusive<NoWork>();
    }
};

template <class Body>
double microseconds(Body body) {
    constexpr int iterations = 500;
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < iterations; ++i) body();
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / iterations;
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + long(values.size() / 2), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main() {
    at::set_num_threads(1);
    torch::nn::Sequential net(torch::nn::Linear(784, 64), torch::nn::ReLU(),
                              torch::nn::Linear(64, 10));
    const torch::Tensor input = torch::randn({32, 784});
    const torch::Tensor target = torch::randint(10, {32});
    auto backward = [&] { torch::cross_entropy_loss(net->forward(input), target).backward(); };
    auto plain = [&] {
        backward();
        for (const auto& parameter : net->parameters()) parameter.mutable_grad().reset();
    };
    std::vector<double> with, without, difference;
    for (int block = 0; block < 41; ++block) {
        without.push_back(microseconds(plain));
        std::vector<ailab::NamedParameter> parameters;
        for (const auto& item : net->named_parameters())
            parameters.push_back({item.key(), item.value()});
        const auto reducer =
            ailab::Reducer::create(parameters, c10::make_intrusive<NoBackend>(), 25);
        with.push_back(microseconds([&] {
            reducer->begin();
            reducer->arm();
            backward();
            reducer->finish({});
        }));
        difference.push_back(with.back() - without.back());
    }
    std::printf("%.1f us with, %.1f us without; the reducer adds %.1f us (quietest %.1f)\n",
                median(with), median(without), median(difference),
                *std::min_element(with.begin(), with.end()) -
                    *std::min_element(without.begin(), without.end()));
}
