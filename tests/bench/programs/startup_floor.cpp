// The least that any LibTorch program needs: load libtorch_cpu and run one matrix product.
#include <ATen/ATen.h>

#include <cstdio>

int main() {
    const at::Tensor a = at::ones({64, 64});
    std::printf("%g\n", at::mm(a, a)[0][0].item<double>());
    std::fflush(stdout);  // the end of the product is what is timed, not that of the process
}
