// Those that only move data.
#include "collectives/blocking_backend.hpp"
#include "collectives/flat.hpp"

namespace ailab::collectives {

using c10d::OpType;
using Guard = std::lock_guard<std::mutex>;

BlockingBackend::Work BlockingBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                                 const c10d::AllgatherOptions&) {
    require_one(inputs.size(), "allgather");
    require_one(outputs.size(), "allgather");
    if (outputs[0].size() != size_t(size_))
        fail(name_, "allgather", "expected ", size_, " output tensors, got ", outputs[0].size());
    const Guard guard(lock_);
    const Flat in(name_, inputs[0], "allgather");
    std::vector<Flat> outs;
    std::vector<void*> parts;
    outs.reserve(outputs[0].size());
    for (const at::Tensor& output : outputs[0]) {
        const Flat& out = outs.emplace_back(name_, output, "allgather");
        if (!out.fits(in))
            fail(name_, "allgather", "an output is ", out.str(), ", the input ", in.str());
        parts.push_back(out.data());
    }
    do_allgather(in.data(), in.bytes(), parts);
    for (const Flat& out : outs) out.commit();
    return done(OpType::ALLGATHER, outputs[0]);
}

void BlockingBackend::gather_all(at::Tensor& output, at::Tensor& input, const char* call) {
    const Guard guard(lock_);
    const Flat in(name_, input, call);
    const Flat out(name_, output, call);
    if (!(out.count() == in.count() * size_ && out.type() == in.type()))
        fail(name_, call, "the output must hold the input ", size_, " times; it is ", out.str(),
             ", the input ", in.str());
    do_allgather(in.data(), in.bytes(), out.split(size_));
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
        fail(name_, "allgather_coalesced", "expected ", size_, " lists of outputs, got ",
             outputs.size());
    Tensors all;
    for (size_t i = 0; i < inputs.size(); ++i) {
        std::vector<Tensors> gathered(1);
        for (Tensors& list : outputs) {
            if (list.size() != inputs.size())
                fail(name_, "allgather_coalesced", "a list of outputs has ", list.size(),
                     " tensors for ", inputs.size(), " inputs");
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
        fail(name_, "allgather_into_tensor_coalesced", "got ", outputs.size(), " outputs for ",
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
        fail(name_, "gather", "expected ", expected, " output tensors on this rank, got ", given);
    const Guard guard(lock_);
    const Flat in(name_, inputs[0], "gather");
    std::vector<Flat> outs;
    std::vector<void*> parts;
    outs.reserve(expected);
    for (size_t r = 0; r < expected; ++r) {
        const Flat& out = outs.emplace_back(name_, outputs[0][r], "gather");
        if (!out.fits(in))
            fail(name_, "gather", "an output is ", out.str(), ", the input ", in.str());
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
        fail(name_, "scatter", "expected ", expected, " input tensors on this rank, got ", given);
    const Guard guard(lock_);
    const Flat out(name_, outputs[0], "scatter");
    std::vector<Flat> ins;
    std::vector<const void*> parts;
    ins.reserve(expected);
    for (size_t r = 0; r < expected; ++r) {
        const Flat& in = ins.emplace_back(name_, inputs[0][r], "scatter");
        if (!out.fits(in))
            fail(name_, "scatter", "an input is ", in.str(), ", the output ", out.str());
        parts.push_back(in.data());
    }
    do_scatter(parts, out.data(), out.bytes(), int(opts.rootRank));
    out.commit();
    return done(OpType::SCATTER, outputs);
}

BlockingBackend::Work BlockingBackend::alltoall(Tensors& outputs, Tensors& inputs,
                                                const c10d::AllToAllOptions&) {
    if (!(outputs.size() == size_t(size_) && inputs.size() == size_t(size_)))
        fail(name_, "alltoall", "expected ", size_, " inputs and outputs, got ", inputs.size(),
             " and ", outputs.size());
    const Guard guard(lock_);
    std::vector<Flat> ins, outs;
    std::vector<const void*> in_parts;
    std::vector<void*> out_parts;
    std::vector<int64_t> in_bytes, out_bytes;
    ins.reserve(inputs.size());
    outs.reserve(outputs.size());
    for (int r = 0; r < size_; ++r) {
        const Flat& in = ins.emplace_back(name_, inputs[size_t(r)], "alltoall");
        const Flat& out = outs.emplace_back(name_, outputs[size_t(r)], "alltoall");
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
            fail(name_, "alltoall_base", "takes tensors of at least one dimension");
        if (!splits.empty()) {
            int64_t rows = 0;
            for (const int64_t n : splits) rows += n;
            if (!(splits.size() == size_t(size_) && rows == tensor.size(0)))
                fail(name_, "alltoall_base", "the ", splits.size(), " splits cover ", rows,
                     " rows of ", c10::str(tensor.sizes()), "; expected ", size_,
                     " splits that cover all");
            return tensor.split_with_sizes(splits);
        }
        if (!(tensor.size(0) % size_ == 0))
            fail(name_, "alltoall_base", c10::str(tensor.sizes()), " does not divide into ", size_,
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

}  // namespace ailab::collectives
