// Those that reduce.
#include "collectives/blocking_backend.hpp"
#include "collectives/flat.hpp"

namespace ailab::collectives {

using c10d::OpType;
using Guard = std::lock_guard<std::mutex>;

BlockingBackend::Work BlockingBackend::allreduce(Tensors& tensors,
                                                 const c10d::AllreduceOptions& opts) {
    require_one(tensors.size(), "allreduce");
    const Guard guard(lock_);
    const Flat flat(name_, tensors[0], "allreduce");
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
    const Flat flat(name_, tensors[0], "reduce");
    const Reduction op = reduction_of(opts.reduceOp);
    check_reducible(flat.type(), op, name_);
    do_reduce(flat.data(), flat.data(), flat.count(), flat.type(), op, int(opts.rootRank));
    if (rank_ == opts.rootRank) flat.commit();
    return done(OpType::REDUCE, tensors);
}

BlockingBackend::Work BlockingBackend::reduce_scatter(Tensors& outputs,
                                                      std::vector<Tensors>& inputs,
                                                      const c10d::ReduceScatterOptions& opts) {
    require_one(outputs.size(), "reduce_scatter");
    require_one(inputs.size(), "reduce_scatter");
    if (inputs[0].size() != size_t(size_))
        fail(name_, "reduce_scatter", "expected ", size_, " input tensors, got ", inputs[0].size());
    const Guard guard(lock_);
    const Flat out(name_, outputs[0], "reduce_scatter");
    const Reduction op = reduction_of(opts.reduceOp);
    check_reducible(out.type(), op, name_);
    std::vector<Flat> ins;
    std::vector<const void*> parts;
    ins.reserve(inputs[0].size());
    for (const at::Tensor& input : inputs[0]) {
        const Flat& in = ins.emplace_back(name_, input, "reduce_scatter");
        if (!out.fits(in))
            fail(name_, "reduce_scatter", "an input is ", in.str(), ", the output ", out.str());
        parts.push_back(in.data());
    }
    do_reduce_scatter(parts, out.data(), out.count(), out.type(), op);
    out.commit();
    return done(OpType::REDUCE_SCATTER, outputs);
}

void BlockingBackend::scatter_sum(at::Tensor& output, at::Tensor& input, const c10d::ReduceOp& op,
                                  const char* call) {
    const Guard guard(lock_);
    const Flat in(name_, input, call);
    const Flat out(name_, output, call);
    if (!(in.count() == out.count() * size_ && out.type() == in.type()))
        fail(name_, call, "the input must hold the output ", size_, " times; it is ", in.str(),
             ", the output ", out.str());
    const Reduction reduction = reduction_of(op);
    check_reducible(out.type(), reduction, name_);
    do_reduce_scatter(in.split(size_), out.data(), out.count(), out.type(), reduction);
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
        fail(name_, "reduce_scatter_tensor_coalesced", "got ", outputs.size(), " outputs for ",
             inputs.size(), " inputs");
    for (size_t i = 0; i < inputs.size(); ++i)
        scatter_sum(outputs[i], inputs[i], opts.reduceOp, "reduce_scatter_tensor_coalesced");
    return done(OpType::COALESCED, outputs);
}

}  // namespace ailab::collectives
