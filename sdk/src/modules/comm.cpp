// What every Comm has by its sums alone.
#include "ailab/comm.hpp"

#include <ATen/ATen.h>

#include "collective.hpp"

namespace ailab {

void Comm::all_gather(at::Tensor& whole, const at::Tensor& piece) {
    const at::NoGradGuard no_grad;
    dist::check_parts("all_gather", whole, piece, world_size());
    const int64_t bytes = int64_t(piece.nbytes()), words = (bytes + 7) / 8;
    const auto as_bytes = [](const at::Tensor& tensor) {
        return tensor.contiguous().view({-1}).view(at::kByte);
    };
    // Elsewhere than in their own part all ranks have zeros: the sum, of integers, changes no bit.
    at::Tensor parts = at::zeros({world_size(), words}, piece.options().dtype(at::kLong));
    parts[rank()].view(at::kByte).narrow(0, 0, bytes).copy_(as_bytes(piece));
    all_reduce_sum(parts);
    const at::Tensor gathered = parts.view(at::kByte).narrow(1, 0, bytes).contiguous();
    whole.copy_(gathered.view({-1}).view(piece.scalar_type()).view(whole.sizes()));
}

void Comm::reduce_scatter_sum(at::Tensor& piece, const at::Tensor& whole) {
    const at::NoGradGuard no_grad;
    dist::check_parts("reduce_scatter_sum", whole, piece, world_size());
    at::Tensor sum = whole.clone(at::MemoryFormat::Contiguous);
    all_reduce_sum(sum);
    piece.copy_(sum.view({world_size(), -1})[rank()].view(piece.sizes()));
}

}  // namespace ailab
