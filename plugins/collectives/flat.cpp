#include "collectives/flat.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace ailab::collectives {
namespace {

at::Tensor contiguous(const std::string& backend, const at::Tensor& tensor, const char* call) {
    if (!tensor.defined()) fail(backend, call, "the tensor is not defined");
    if (!tensor.device().is_cpu())
        fail(backend, call, "takes tensors on the CPU, got one on ", tensor.device().str());
    if (tensor.layout() != c10::kStrided)
        fail(backend, call, "takes dense tensors, got a sparse one");
    if (tensor.is_contiguous()) return tensor;
    const at::NoGradGuard no_grad;
    return tensor.contiguous();
}

}  // namespace

Flat::Flat(const std::string& backend, const at::Tensor& tensor, const char* call)
    : tensor_(tensor), memory_(contiguous(backend, tensor, call)) {}

void Flat::commit() const {
    if (memory_.is_same(tensor_)) return;
    const at::NoGradGuard no_grad;
    at::Tensor(tensor_).copy_(memory_);
}

std::vector<void*> Flat::split(int parts) const {
    std::vector<void*> result;
    for (int64_t i = 0; i < parts; ++i)
        result.push_back(static_cast<char*>(data()) + i * (bytes() / parts));
    return result;
}

std::string Flat::str() const {
    return c10::str(c10::toString(memory_.scalar_type()), memory_.sizes());
}

}  // namespace ailab::collectives
