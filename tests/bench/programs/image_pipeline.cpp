// What an image of 500 x 375 costs after it was decoded: crop and resize to 224, flip, normalise
// into the batch. On one thread; the same with ATen's operations for comparison.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

#include "ailab/image.hpp"
#include "ailab/random.hpp"
#include "pixels/channel_scale.hpp"
#include "pixels/flip.hpp"
#include "pixels/resize.hpp"

namespace {

using at::Tensor;

const std::vector<double> mean = {0.485, 0.456, 0.406}, deviation = {0.229, 0.224, 0.225};

/// Microseconds a call, the best of several hundred calls.
double time_of(const std::function<void(int)>& call) {
    using Clock = std::chrono::steady_clock;
    constexpr int rounds = 15, calls = 60;
    double best = 1e9;
    for (int round = 0; round < rounds; ++round) {
        const auto start = Clock::now();
        for (int i = 0; i < calls; ++i) call(i);
        const std::chrono::duration<double, std::micro> spent = Clock::now() - start;
        best = std::min(best, spent.count() / calls);
    }
    return best;
}

/// Parts as RandomResizedCrop draws them.
Tensor part(const Tensor& image, int i) {
    ailab::Philox random(1, 0, uint64_t(i));
    const double share = random.uniform(0.08, 1);
    const double ratio = random.uniform(0.75, 1.33);
    const double side = std::sqrt(375.0 * 500.0 * share);
    const int64_t height = std::min<int64_t>(375, int64_t(side / std::sqrt(ratio)));
    const int64_t width = std::min<int64_t>(500, int64_t(side * std::sqrt(ratio)));
    return image.narrow(1, int64_t(random.below(uint64_t(376 - height))), height)
        .narrow(2, int64_t(random.below(uint64_t(501 - width))), width);
}

}  // namespace

int main() {
    using namespace ailab::image;
    at::set_num_threads(1);
    const Tensor image = at::randint(256, {375, 500, 3}, at::kByte).permute({2, 0, 1});
    const Tensor batch = at::empty({64, 224, 224, 3}, at::kFloat).permute({0, 3, 1, 2});
    const ChannelScale scale(mean, deviation);
    Tensor resized = resize(image, {224, 224}, Interpolation::bilinear, true);

    const auto report = [](const char* name, const std::function<void(int)>& call) {
        std::printf("%-34s %7.1f us\n", name, time_of(call));
    };
    report("crop and resize", [&](int i) {
        resized = resize(part(image, i), {224, 224}, Interpolation::bilinear, true);
    });
    report("flip", [&](int) { flip_horizontally(resized); });
    report("normalise into the batch", [&](int i) {
        Tensor out = batch[i];
        scale.write(resized, out);
    });
    report("all of it, every second flipped", [&](int i) {
        Tensor pixels = resize(part(image, i), {224, 224}, Interpolation::bilinear, true);
        if (i % 2) pixels = flip_horizontally(pixels);
        Tensor out = batch[i];
        scale.write(pixels, out);
    });
    const Tensor mean_tensor = at::tensor(mean, at::kFloat).view({3, 1, 1});
    const Tensor deviation_tensor = at::tensor(deviation, at::kFloat).view({3, 1, 1});
    report("all of it with ATen's operations", [&](int i) {
        Tensor pixels =
            at::_upsample_bilinear2d_aa(part(image, i).unsqueeze(0), {224, 224}, false)[0];
        if (i % 2) pixels = pixels.flip(-1);
        batch[i].copy_(pixels.to(at::kFloat).div_(255).sub_(mean_tensor).div_(deviation_tensor));
    });
}
