#include "mpi_backend.hpp"

#include <algorithm>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::mpi {

using collectives::Reduction;

namespace {

// Counts are ints in MPI 3: longer tensors go in several calls. The second bounds the staging
// memory.
constexpr int64_t most_bytes = int64_t{1} << 30;
constexpr int64_t most_staged_bytes = int64_t{64} << 20;

const char* at(const void* data, int64_t offset) {
    return static_cast<const char*>(data) + offset;
}
char* at(void* data, int64_t offset) {
    return static_cast<char*>(data) + offset;
}

void copy(void* to, const void* from, int64_t bytes) {
    if (bytes > 0) std::memcpy(to, from, size_t(bytes));
}

/// Calls step(offset, count) for each chunk; once with nothing for an empty tensor, since the ranks
/// still meet.
template <class Step>
void for_chunks(int64_t count, int64_t chunk, Step step) {
    int64_t offset = 0;
    do {
        step(offset, int(std::min(chunk, count - offset)));
        offset += chunk;
    } while (offset < count);
}

}  // namespace

MpiBackend::MpiBackend(int rank, int size) : BlockingBackend("mpi", rank, size) {
    int world = 0;
    check(MPI_Comm_size(MPI_COMM_WORLD, &world), "MPI_Comm_size");
    if (world != size)
        throw Error(concat("mpi: mpirun started ", world, " ranks, the run has ", size));
    check(MPI_Comm_split(MPI_COMM_WORLD, 0, rank, &collectives_), "MPI_Comm_split");
    check(MPI_Comm_dup(collectives_, &messages_), "MPI_Comm_dup");
    // Errors come back as status, to be thrown with a text.
    for (const MPI_Comm comm : {collectives_, messages_})
        check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    operations_ = std::make_unique<Operations>();
}

MpiBackend::~MpiBackend() {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized) {
        // What it made went with MPI.
        static_cast<void>(operations_.release());
        return;
    }
    for (MPI_Comm* comm : {&collectives_, &messages_})
        if (*comm != MPI_COMM_NULL) MPI_Comm_free(comm);
}

void MpiBackend::do_barrier() {
    check(MPI_Barrier(collectives_), "MPI_Barrier");
}

void MpiBackend::do_allreduce(void* data, int64_t count, c10::ScalarType type, Reduction op) {
    const auto element = int64_t(c10::elementSize(type));
    for_chunks(count, most_bytes / element, [&](int64_t first, int n) {
        check(MPI_Allreduce(MPI_IN_PLACE, at(data, first * element), n, datatype(type),
                            operations_->get(type, op), collectives_),
              "MPI_Allreduce");
    });
    if (op == Reduction::avg) collectives::divide(type, data, count, size_);
}

void MpiBackend::do_reduce(const void* in, void* out, int64_t count, c10::ScalarType type,
                           Reduction op, int root) {
    const auto element = int64_t(c10::elementSize(type));
    const bool here = rank_ == root;
    if (here && in != out) copy(out, in, count * element);
    for_chunks(count, most_bytes / element, [&](int64_t first, int n) {
        check(MPI_Reduce(here ? MPI_IN_PLACE : at(in, first * element),
                         here ? at(out, first * element) : nullptr, n, datatype(type),
                         operations_->get(type, op), root, collectives_),
              "MPI_Reduce");
    });
    if (here && op == Reduction::avg) collectives::divide(type, out, count, size_);
}

void MpiBackend::do_broadcast(void* data, int64_t bytes, int root) {
    for_chunks(bytes, most_bytes, [&](int64_t offset, int n) {
        check(MPI_Bcast(at(data, offset), n, MPI_BYTE, root, collectives_), "MPI_Bcast");
    });
}

void MpiBackend::do_allgather(const void* in, int64_t bytes, Parts outs) {
    for_chunks(bytes, most_staged_bytes / size_, [&](int64_t offset, int n) {
        staging_.resize(size_t(n) * size_t(size_));
        check(
            MPI_Allgather(at(in, offset), n, MPI_BYTE, staging_.data(), n, MPI_BYTE, collectives_),
            "MPI_Allgather");
        for (int r = 0; r < size_; ++r)
            copy(at(outs[size_t(r)], offset), staging_.data() + int64_t(r) * n, n);
    });
}

void MpiBackend::do_gather(const void* in, int64_t bytes, Parts outs, int root) {
    for_chunks(bytes, most_staged_bytes / size_, [&](int64_t offset, int n) {
        staging_.resize(size_t(n) * outs.size());
        check(MPI_Gather(at(in, offset), n, MPI_BYTE, staging_.data(), n, MPI_BYTE, root,
                         collectives_),
              "MPI_Gather");
        for (size_t r = 0; r < outs.size(); ++r)
            copy(at(outs[r], offset), staging_.data() + int64_t(r) * n, n);
    });
}

void MpiBackend::do_scatter(ConstParts ins, void* out, int64_t bytes, int root) {
    for_chunks(bytes, most_staged_bytes / size_, [&](int64_t offset, int n) {
        staging_.resize(size_t(n) * ins.size());
        for (size_t r = 0; r < ins.size(); ++r)
            copy(staging_.data() + int64_t(r) * n, at(ins[r], offset), n);
        check(MPI_Scatter(staging_.data(), n, MPI_BYTE, at(out, offset), n, MPI_BYTE, root,
                          collectives_),
              "MPI_Scatter");
    });
}

void MpiBackend::do_reduce_scatter(ConstParts ins, void* out, int64_t count, c10::ScalarType type,
                                   Reduction op) {
    const auto element = int64_t(c10::elementSize(type));
    for_chunks(count, most_staged_bytes / element / size_, [&](int64_t first, int n) {
        const int64_t bytes = n * element;
        staging_.resize(size_t(bytes) * size_t(size_));
        for (int r = 0; r < size_; ++r)
            copy(staging_.data() + r * bytes, at(ins[size_t(r)], first * element), bytes);
        check(MPI_Reduce_scatter_block(staging_.data(), at(out, first * element), n, datatype(type),
                                       operations_->get(type, op), collectives_),
              "MPI_Reduce_scatter_block");
    });
    if (op == Reduction::avg) collectives::divide(type, out, count, size_);
}

void MpiBackend::do_alltoall(ConstParts ins, std::span<const int64_t> in_bytes, Parts outs,
                             std::span<const int64_t> out_bytes) {
    const auto size = size_t(size_);
    std::vector<int64_t> announced(size);
    check(MPI_Alltoall(in_bytes.data(), 1, MPI_INT64_T, announced.data(), 1, MPI_INT64_T,
                       collectives_),
          "MPI_Alltoall");
    for (size_t r = 0; r < size; ++r)
        if (announced[r] != out_bytes[r])
            throw Error(concat("mpi alltoall: rank ", r, " sends ", announced[r], " bytes to rank ",
                               rank_, ", which expects ", out_bytes[r]));
    int64_t longest = 0;
    for (const int64_t bytes : in_bytes) longest = std::max(longest, bytes);
    check(MPI_Allreduce(MPI_IN_PLACE, &longest, 1, MPI_INT64_T, MPI_MAX, collectives_),
          "MPI_Allreduce");
    const int64_t piece = most_staged_bytes / size_;
    std::vector<int> send_counts(size), send_at(size), take_counts(size), take_at(size);
    for_chunks(longest, piece, [&](int64_t offset, int) {
        int sent = 0, taken = 0;
        for (size_t r = 0; r < size; ++r) {
            auto left = [&](int64_t bytes) {
                return int(std::clamp(bytes - offset, int64_t{0}, piece));
            };
            send_counts[r] = left(in_bytes[r]);
            take_counts[r] = left(out_bytes[r]);
            send_at[r] = sent;
            take_at[r] = taken;
            sent += send_counts[r];
            taken += take_counts[r];
        }
        staging_.resize(size_t(sent) + size_t(taken));
        char* const taking = staging_.data() + sent;
        for (size_t r = 0; r < size; ++r)
            copy(staging_.data() + send_at[r], at(ins[r], offset), send_counts[r]);
        check(MPI_Alltoallv(staging_.data(), send_counts.data(), send_at.data(), MPI_BYTE, taking,
                            take_counts.data(), take_at.data(), MPI_BYTE, collectives_),
              "MPI_Alltoallv");
        for (size_t r = 0; r < size; ++r)
            copy(at(outs[r], offset), taking + take_at[r], take_counts[r]);
    });
}

}  // namespace ailab::mpi
