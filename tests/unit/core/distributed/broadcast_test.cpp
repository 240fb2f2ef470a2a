// Many tensors from rank 0: each is its own again, whatever lies beside it.
#include "distributed/broadcast.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "thread_comm.hpp"

namespace ailab::test {
namespace {

/// Rank 0 has what the others are to get, in the layouts that models have.
std::vector<at::Tensor> tensors_of(int rank) {
    const auto numbers = [&](at::IntArrayRef shape, at::ScalarType type) {
        const at::Tensor flat = at::arange(at::empty(shape).numel(), at::kDouble).mul(0.25);
        return flat.add(rank * 100).to(type).view(shape);
    };
    return {numbers({3}, at::kByte),
            numbers({2, 2}, at::kDouble),
            at::full({}, rank == 0, at::kBool),
            numbers({}, at::kLong),
            numbers({5}, at::kHalf),
            numbers({2, 3, 4, 5}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast),
            at::complex(numbers({3}, at::kFloat), numbers({3}, at::kFloat).neg()),
            numbers({0, 4}, at::kFloat),
            numbers({6, 4}, at::kFloat).t(),
            numbers({5 << 20}, at::kFloat),  // more than goes at once
            numbers({7}, at::kBFloat16)};
}

TEST(Broadcast, GivesEachRankTheTensorsOfTheFirst) {
    const std::vector<at::Tensor> first = tensors_of(0);
    for (const int size : {1, 3}) {
        const auto errors = run_ranks(size, [&](ThreadComm& comm) {
            const std::vector<at::Tensor> own = tensors_of(comm.rank());
            std::vector<at::Tensor> parameters = own;
            parameters[1].requires_grad_();
            broadcast_from_first(comm, parameters);
            for (size_t i = 0; i < own.size(); ++i) {
                EXPECT_TRUE(at::equal(own[i].detach(), first[i])) << "tensor " << i;
                EXPECT_EQ(own[i].strides(), first[i].strides()) << "tensor " << i;
            }
        });
        for (const std::string& error : errors) EXPECT_EQ(error, "");
    }
}

}  // namespace
}  // namespace ailab::test
