#include <ATen/ATen.h>

#include "ailab/shared_buckets.hpp"
#include "reference.hpp"
#include "suite.hpp"

namespace ailab::testing {

std::vector<std::string> check_buckets(const CommPtr& backend) {
    auto* shared = dynamic_cast<SharedBuckets*>(backend.get());
    if (!shared) return {};
    const int rank = backend->getRank(), size = backend->getSize();
    std::vector<std::string> wrong;
    auto check = [&](const std::string& what, at::Tensor part, c10::ScalarType type, int salt) {
        part.copy_(values(part.numel(), type, rank, salt));
        std::vector<at::Tensor> tensors{part};
        backend->allreduce(tensors)->wait();
        const std::string text =
            difference(part, reduced(part.numel(), type, size, salt, Op::SUM), size);
        if (!text.empty()) wrong.push_back(c10::str("bucket, ", what, ": ", text));
    };
    at::Tensor bucket = shared->allocate_bucket(4 * 250007);
    at::Tensor small = shared->allocate_bucket(40);
    if (!bucket.defined() || !small.defined()) return {std::string("no room for a bucket of 1 MB")};
    if (bucket.numel() != 4 * 250007 || reinterpret_cast<uintptr_t>(bucket.data_ptr()) % 64 != 0)
        wrong.emplace_back("a bucket has the wrong size or alignment");
    const at::Tensor floats = bucket.view(at::kFloat);
    for (int i = 0; i < 20; ++i) {
        check("whole", floats, at::kFloat, i);
        check("a part from the middle", floats.slice(0, 1003, 90001), at::kFloat, i);
        check("a few", floats.slice(0, 5, 9), at::kFloat, i);
        check("another one", small.view(at::kFloat), at::kFloat, i);
        check("none", floats.slice(0, 7, 7), at::kFloat, i);
        check("outside", at::empty({1000}), at::kFloat, i);
    }
    check("float64", bucket.slice(0, 0, 8 * 100000).view(at::kDouble), at::kDouble, 1);
    check("bfloat16", bucket.view(at::kBFloat16), at::kBFloat16, 2);
    return wrong;
}

}  // namespace ailab::testing
