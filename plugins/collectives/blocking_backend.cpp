#include "collectives/blocking_backend.hpp"

#include <ATen/core/grad_mode.h>

#include "ailab/error.hpp"

namespace ailab::collectives {

using c10d::OpType;
using Guard = std::lock_guard<std::mutex>;

/// A tensor as contiguous memory: itself, or a copy that commit() writes back.
class BlockingBackend::Flat {
  public:
    Flat(const BlockingBackend& backend, const at::Tensor& tensor, const char* call)
        : tensor_(tensor), memory_(backend.staged(tensor, call)) {}

    void* data() const { return memory_.data_ptr(); }
    int64_t count() const { return memory_.numel(); }
    int64_t bytes() const { return int64_t(memory_.nbytes()); }
    c10::ScalarType type() const { return memory_.scalar_type(); }
    void commit() const {
        if (memory_.is_same(tensor_)) return;
        const at::NoGradGuard no_grad;
        at::Tensor(tensor_).copy_(memory_);
    }

  private:
    const at::Tensor& tensor_;
    const at::Tensor memory_;
};

namespace {

std::string shape_of(const at::Tensor& tensor) {
    return c10::str(c10::toString(tensor.scalar_type()), tensor.sizes());
}

std::vector<void*> parts_of(void* base, int64_t bytes, int parts) {
    std::vector<void*> result;
    for (int r = 0; r < parts; ++r) result.push_back(static_cast<char*>(base) + r * bytes);
    return result;
}

std::vector<const void*> read_only(const std::vector<void*>& parts) {
    return {parts.begin(), parts.end()};
}

}  // namespace

BlockingBackend::BlockingBackend(std::string name, int rank, int size)
    : Backend(rank, size), name_(std::move(name)) {}

c10::intrusive_ptr<c10d::Backend::Options> BlockingBackend::getBackendOptions() {
    return c10::make_intrusive<Options>(name_, timeout_);
}

BlockingBackend::Work BlockingBackend::done(OpType type, Tensors outputs) {
    ++calls_;
    return c10::make_intrusive<DoneWork>(rank_, type, std::move(outputs));
}

template <class... Parts>
void BlockingBackend::fail(const char* call, const Parts&... parts) const {
    throw Error(concat(name_, " ", call, ": ", parts...));
}

void BlockingBackend::require_one(size_t count, const char* call) const {
    if (count != 1) fail(call, "expected one tensor, got ", count);
}

void BlockingBackend::require_root(int64_t root, const char* call) const {
    if (!(root >= 0 && root < size_))
        fail(call, "root rank ", root, " is not one of 0 to ", size_ - 1);
}

at::Tensor BlockingBackend::staged(const at::Tensor& tensor, const char* call) const {
    if (!tensor.defined()) fail(call, "the tensor is not defined");
    if (!tensor.device().is_cpu())
        fail(call, "takes tensors on the CPU, got one on ", tensor.device().str());
    if (tensor.layout() != c10::kStrided) fail(call, "takes dense tensors, got a sparse one");
    if (tensor.is_contiguous()) return tensor;
    const at::NoGradGuard no_grad;
    return tensor.contiguous();
}

BlockingBackend::Work BlockingBackend::broadcast(Tensors& tensors,
                                                 const c10d::BroadcastOptions& opts) {
    require_one(tensors.size(), "broadcast");
    require_root(opts.rootRank, "broadcast");
    const Guard guard(lock_);
    const Flat flat(*this, tensors[0], "broadcast");
    do_broadcast(flat.data(), flat.bytes(), int(opts.rootRank));
    flat.commit();
    return done(OpType::BROADCAST, tensors);
}

BlockingBackend::Work BlockingBackend::allreduce(Tensors& tensors,
                                                 const c10d::AllreduceOptions& opts) {
    require_one(tensors.size(), "allreduce");
    const Guard guard(lock_);
    const Flat flat(*this, tensors[0], "allreduce");
    const Reduction op = reduction_of(opts.reduceOp);
    check_reducible(flat.type(), op, name_);
    do_allreduce(flat.data(), flat.count(), flat.type(), op);
    flat.commit();
    return done(OpType::ALLREDUCE, tensors);
}

BlockingBackend::Work BlockingBackend::allreduce_coalesced(
    Tensors& tensors, const c10d::AllreduceCoalescedOptions& opts) {
    for (at::Tensor& tensor : tensors) {
        Tensors one{tensor};
        allreduce(one, opts);
    }
    return done(OpType::ALLREDUCE_COALESCED, tensors);
}

BlockingBackend::Work BlockingBackend::reduce(Tensors& tensors, const c10d::ReduceOptions& opts) {
    require_one(tensors.size(), "reduce");
    require_root(opts.rootRank, "reduce");
    const Guard guard(lock_);
    const Flat flat(*this, tensors[0], "reduce");
    const Reduction op = reduction_of(opts.reduceOp);
    check_reducible(flat.type(), op, name_);
    do_reduce(flat.data(), flat.data(), flat.count(), flat.type(), op, int(opts.rootRank));
    if (rank_ == opts.rootRank) flat.commit();
    return done(OpType::REDUCE, tensors);
}

BlockingBackend::Work BlockingBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                                 const c10d::AllgatherOptions&) {
    require_one(inputs.size(), "allgather");
    require_one(outputs.size(), "allgather");
    if (outputs[0].size() != size_t(size_))
        fail("allgather", "expected ", size_, " output tensors, got ", outputs[0].size());
    const Guard guard(lock_);
    const Flat in(*this, inputs[0], "allgather");
    std::vector<Flat> outs;
    std::vector<void*> parts;
    outs.reserve(outputs[0].size());
    for (const at::Tensor& output : outputs[0]) {
        const Flat& out = outs.emplace_back(*this, output, "allgather");
        if (!(out.bytes() == in.bytes() && out.type() == in.type()))
            fail("allgather", "an output is ", shape_of(output), ", the input ",
                 shape_of(inputs[0]));
        parts.push_back(out.data());
    }
    do_allgather(in.data(), in.bytes(), parts);
    for (const Flat& out : outs) out.commit();
    return done(OpType::ALLGATHER, outputs[0]);
}

void BlockingBackend::gather_all(at::Tensor& output, at::Tensor& input, const char* call) {
    const Guard guard(lock_);
    const Flat in(*this, input, call);
    const Flat out(*this, output, call);
    if (!(out.count() == in.count() * size_ && out.type() == in.type()))
        fail(call, "the output must hold the input ", size_, " times; it is ", shape_of(output),
             ", the input ", shape_of(input));
    do_allgather(in.data(), in.bytes(), parts_of(out.data(), in.bytes(), size_));
    out.commit();
}

BlockingBackend::Work BlockingBackend::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                       const c10d::AllgatherOptions&) {
    gather_all(output, input, "_allgather_base");
    return done(OpType::_ALLGATHER_BASE, {output});
}

BlockingBackend::Work BlockingBackend::allgather_coalesced(std::vector<Tensors>& outputs,
                                                           Tensors& inputs,
                                                           const c10d::AllgatherOptions& opts) {
    // outputs[rank][i] belongs to inputs[i].
    if (outputs.size() != size_t(size_))
        fail("allgather_coalesced", "expected ", size_, " lists of outputs, got ", outputs.size());
    Tensors all;
    for (size_t i = 0; i < inputs.size(); ++i) {
        std::vector<Tensors> gathered(1);
        for (Tensors& list : outputs) {
            if (list.size() != inputs.size())
                fail("allgather_coalesced", "a list of outputs has ", list.size(), " tensors for ",
                     inputs.size(), " inputs");
            gathered[0].push_back(list[i]);
        }
        Tensors one{inputs[i]};
        allgather(gathered, one, opts);
        all.insert(all.end(), gathered[0].begin(), gathered[0].end());
    }
    return done(OpType::ALLGATHER_COALESCED, std::move(all));
}

BlockingBackend::Work BlockingBackend::allgather_into_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::AllgatherOptions&) {
    if (outputs.size() != inputs.size())
        fail("allgather_into_tensor_coalesced", "got ", outputs.size(), " outputs for ",
             inputs.size(), " inputs");
    for (size_t i = 0; i < inputs.size(); ++i)
        gather_all(outputs[i], inputs[i], "allgather_into_tensor_coalesced");
    return done(OpType::COALESCED, outputs);
}

BlockingBackend::Work BlockingBackend::gather(std::vector<Tensors>& outputs, Tensors& inputs,
                                              const c10d::GatherOptions& opts) {
    require_one(inputs.size(), "gather");
    require_root(opts.rootRank, "gather");
    const bool root = rank_ == opts.rootRank;
    const size_t expected = root ? size_t(size_) : 0;
    const size_t given = outputs.empty() ? 0 : outputs[0].size();
    if (given != expected)
        fail("gather", "expected ", expected, " output tensors on this rank, got ", given);
    const Guard guard(lock_);
    const Flat in(*this, inputs[0], "gather");
    std::vector<Flat> outs;
    std::vector<void*> parts;
    outs.reserve(expected);
    for (size_t r = 0; r < expected; ++r) {
        const Flat& out = outs.emplace_back(*this, outputs[0][r], "gather");
        if (!(out.bytes() == in.bytes() && out.type() == in.type()))
            fail("gather", "an output is ", shape_of(outputs[0][r]), ", the input ",
                 shape_of(inputs[0]));
        parts.push_back(out.data());
    }
    do_gather(in.data(), in.bytes(), parts, int(opts.rootRank));
    for (const Flat& out : outs) out.commit();
    return done(OpType::GATHER, root ? outputs[0] : Tensors{});
}

BlockingBackend::Work BlockingBackend::scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                               const c10d::ScatterOptions& opts) {
    require_one(outputs.size(), "scatter");
    require_root(opts.rootRank, "scatter");
    const size_t expected = rank_ == opts.rootRank ? size_t(size_) : 0;
    const size_t given = inputs.empty() ? 0 : inputs[0].size();
    if (given != expected)
        fail("scatter", "expected ", expected, " input tensors on this rank, got ", given);
    const Guard guard(lock_);
    const Flat out(*this, outputs[0], "scatter");
    std::vector<Flat> ins;
    std::vector<const void*> parts;
    ins.reserve(expected);
    for (size_t r = 0; r < expected; ++r) {
        const Flat& in = ins.emplace_back(*this, inputs[0][r], "scatter");
        if (!(out.bytes() == in.bytes() && out.type() == in.type()))
            fail("scatter", "an input is ", shape_of(inputs[0][r]), ", the output ",
                 shape_of(outputs[0]));
        parts.push_back(in.data());
    }
    do_scatter(parts, out.data(), out.bytes(), int(opts.rootRank));
    out.commit();
    return done(OpType::SCATTER, outputs);
}

BlockingBackend::Work BlockingBackend::reduce_scatter(Tensors& outputs,
                                                      std::vector<Tensors>& inputs,
                                                      const c10d::ReduceScatterOptions& opts) {
    require_one(outputs.size(), "reduce_scatter");
    require_one(inputs.size(), "reduce_scatter");
    if (inputs[0].size() != size_t(size_))
        fail("reduce_scatter", "expected ", size_, " input tensors, got ", inputs[0].size());
    const Guard guard(lock_);
    const Flat out(*this, outputs[0], "reduce_scatter");
    const Reduction op = reduction_of(opts.reduceOp);
    check_reducible(out.type(), op, name_);
    std::vector<Flat> ins;
    std::vector<const void*> parts;
    ins.reserve(inputs[0].size());
    for (const at::Tensor& input : inputs[0]) {
        const Flat& in = ins.emplace_back(*this, input, "reduce_scatter");
        if (!(out.bytes() == in.bytes() && out.type() == in.type()))
            fail("reduce_scatter", "an input is ", shape_of(input), ", the output ",
                 shape_of(outputs[0]));
        parts.push_back(in.data());
    }
    do_reduce_scatter(parts, out.data(), out.count(), out.type(), op);
    out.commit();
    return done(OpType::REDUCE_SCATTER, outputs);
}

void BlockingBackend::scatter_sum(at::Tensor& output, at::Tensor& input, const c10d::ReduceOp& op,
                                  const char* call) {
    const Guard guard(lock_);
    const Flat in(*this, input, call);
    const Flat out(*this, output, call);
    if (!(in.count() == out.count() * size_ && out.type() == in.type()))
        fail(call, "the input must hold the output ", size_, " times; it is ", shape_of(input),
             ", the output ", shape_of(output));
    const Reduction reduction = reduction_of(op);
    check_reducible(out.type(), reduction, name_);
    do_reduce_scatter(read_only(parts_of(in.data(), out.bytes(), size_)), out.data(), out.count(),
                      out.type(), reduction);
    out.commit();
}

BlockingBackend::Work BlockingBackend::_reduce_scatter_base(
    at::Tensor& output, at::Tensor& input, const c10d::ReduceScatterOptions& opts) {
    scatter_sum(output, input, opts.reduceOp, "_reduce_scatter_base");
    return done(OpType::_REDUCE_SCATTER_BASE, {output});
}

BlockingBackend::Work BlockingBackend::reduce_scatter_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::ReduceScatterOptions& opts) {
    if (outputs.size() != inputs.size())
        fail("reduce_scatter_tensor_coalesced", "got ", outputs.size(), " outputs for ",
             inputs.size(), " inputs");
    for (size_t i = 0; i < inputs.size(); ++i)
        scatter_sum(outputs[i], inputs[i], opts.reduceOp, "reduce_scatter_tensor_coalesced");
    return done(OpType::COALESCED, outputs);
}

BlockingBackend::Work BlockingBackend::alltoall(Tensors& outputs, Tensors& inputs,
                                                const c10d::AllToAllOptions&) {
    if (!(outputs.size() == size_t(size_) && inputs.size() == size_t(size_)))
        fail("alltoall", "expected ", size_, " inputs and outputs, got ", inputs.size(), " and ",
             outputs.size());
    const Guard guard(lock_);
    std::vector<Flat> ins, outs;
    std::vector<const void*> in_parts;
    std::vector<void*> out_parts;
    std::vector<int64_t> in_bytes, out_bytes;
    ins.reserve(inputs.size());
    outs.reserve(outputs.size());
    for (int r = 0; r < size_; ++r) {
        const Flat& in = ins.emplace_back(*this, inputs[size_t(r)], "alltoall");
        const Flat& out = outs.emplace_back(*this, outputs[size_t(r)], "alltoall");
        in_parts.push_back(in.data());
        in_bytes.push_back(in.bytes());
        out_parts.push_back(out.data());
        out_bytes.push_back(out.bytes());
    }
    do_alltoall(in_parts, in_bytes, out_parts, out_bytes);
    for (const Flat& out : outs) out.commit();
    return done(OpType::ALLTOALL, outputs);
}

BlockingBackend::Work BlockingBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                     std::vector<int64_t>& output_splits,
                                                     std::vector<int64_t>& input_splits,
                                                     const c10d::AllToAllOptions& opts) {
    // Splits are rows of dimension 0; none given means equal parts.
    auto split = [&](const at::Tensor& tensor, const std::vector<int64_t>& splits) {
        if (!(tensor.defined() && tensor.dim() > 0))
            fail("alltoall_base", "takes tensors of at least one dimension");
        if (!splits.empty()) {
            int64_t rows = 0;
            for (const int64_t n : splits) rows += n;
            if (!(splits.size() == size_t(size_) && rows == tensor.size(0)))
                fail("alltoall_base", "the ", splits.size(), " splits cover ", rows, " rows of ",
                     shape_of(tensor), "; expected ", size_, " splits that cover all");
            return tensor.split_with_sizes(splits);
        }
        if (!(tensor.size(0) % size_ == 0))
            fail("alltoall_base", shape_of(tensor), " does not divide into ", size_,
                 " equal parts");
        const std::vector<int64_t> equal(size_t(size_), tensor.size(0) / size_);
        return tensor.split_with_sizes(equal);
    };
    const at::NoGradGuard no_grad;
    Tensors outputs = split(output, output_splits);
    Tensors inputs = split(input, input_splits);
    alltoall(outputs, inputs, opts);
    return done(OpType::ALLTOALL_BASE, {output});
}

BlockingBackend::Work BlockingBackend::barrier(const c10d::BarrierOptions&) {
    const Guard guard(lock_);
    do_barrier();
    return done(OpType::BARRIER, {});
}

void BlockingBackend::monitoredBarrier(const c10d::BarrierOptions& opts, bool) {
    barrier(opts);
}

BlockingBackend::Work BlockingBackend::send(Tensors& tensors, int rank, int tag) {
    require_one(tensors.size(), "send");
    if (!(rank >= 0 && rank < size_ && rank != rank_))
        fail("send", "rank ", rank, " is not another rank");
    const at::Tensor memory = staged(tensors[0], "send");
    const Guard guard(lock_);
    return start_send(memory, rank, tag);
}

BlockingBackend::Work BlockingBackend::recv(Tensors& tensors, int rank, int tag) {
    require_one(tensors.size(), "recv");
    if (!(rank >= 0 && rank < size_ && rank != rank_))
        fail("recv", "rank ", rank, " is not another rank");
    if (!tensors[0].is_contiguous()) fail("recv", "takes contiguous tensors");
    const Guard guard(lock_);
    return start_recv(staged(tensors[0], "recv"), rank, tag);
}

BlockingBackend::Work BlockingBackend::recvAnysource(Tensors& tensors, int tag) {
    require_one(tensors.size(), "recvAnysource");
    if (!tensors[0].is_contiguous()) fail("recvAnysource", "takes contiguous tensors");
    const Guard guard(lock_);
    return start_recv(staged(tensors[0], "recvAnysource"), -1, tag);
}

}  // namespace ailab::collectives
