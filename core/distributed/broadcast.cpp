#include "broadcast.hpp"

#include <ATen/ATen.h>

namespace ailab {
namespace {

constexpr int64_t most_at_once = int64_t{16} << 20;  // bytes, but for a tensor that is larger

/// Bytes, which every backend sends, whatever numbers they are.
at::Tensor bytes_of(const at::Tensor& tensor) {
    return tensor.detach().contiguous().reshape({-1}).view(at::kByte);
}

void send(Comm& comm, const std::vector<at::Tensor>& tensors) {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& tensor : tensors) parts.push_back(bytes_of(tensor));
    at::Tensor bytes = parts.size() == 1 ? parts[0] : at::cat(parts);
    comm.broadcast(bytes, 0);
    int64_t begin = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const at::Tensor to = tensors[i].detach(), sent = bytes.narrow(0, begin, parts[i].numel());
        begin += parts[i].numel();
        if (sent.data_ptr() == to.data_ptr()) continue;
        // Cloned: numbers of several bytes begin where those can.
        to.copy_(sent.clone().view(to.scalar_type()).view(to.sizes()));
    }
}

}  // namespace

void broadcast_from_first(Comm& comm, const std::vector<at::Tensor>& tensors) {
    if (comm.world_size() == 1) return;
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> together;
    int64_t size = 0;
    for (const at::Tensor& tensor : tensors) {
        const auto bytes = int64_t(tensor.nbytes());
        if (bytes == 0) continue;
        if (!together.empty() && size + bytes > most_at_once) {
            send(comm, together);
            together.clear();
            size = 0;
        }
        together.push_back(tensor);
        size += bytes;
    }
    if (!together.empty()) send(comm, together);
}

}  // namespace ailab
