#include <ATen/ATen.h>

#include "reference.hpp"
#include "suite.hpp"

namespace ailab::testing {
namespace {

class Mover {
  public:
    Mover(CommPtr backend)
        : backend_(std::move(backend)),
          rank_(backend_->getRank()),
          size_(backend_->getSize()),
          gloo_(backend_->getBackendName() == "gloo") {}

    void broadcast(c10::ScalarType type, int64_t count) {
        for (int root = 0; root < size_; ++root) {
            std::vector<at::Tensor> tensors{values(count, type, rank_, 1)};
            c10d::BroadcastOptions options;
            options.rootRank = root;
            const auto work = backend_->broadcast(tensors, options);
            work->wait();
            equal("broadcast", tensors[0], values(count, type, root, 1));
        }
    }

    void future() {
        std::vector<at::Tensor> tensors{values(5, at::kFloat, rank_, 1)};
        const auto work = backend_->allreduce(tensors);
        const auto future = work->getFuture();
        future->wait();
        const auto list = future->value().toTensorVector();
        if (list.size() != 1 || !list[0].is_same(tensors[0]))
            wrong_.emplace_back("the future of an allreduce does not hold its tensor");
        work->wait();
        if (!work->isCompleted()) wrong_.emplace_back("a Work that was waited for is not complete");
    }

    void allgather(int64_t count) {
        std::vector<at::Tensor> input{values(count, at::kFloat, rank_, 2)};
        std::vector<std::vector<at::Tensor>> outputs(1);
        at::Tensor expected = at::empty({size_ * count});
        for (int r = 0; r < size_; ++r) {
            outputs[0].push_back(at::empty({count}));
            expected.slice(0, r * count, (r + 1) * count).copy_(values(count, at::kFloat, r, 2));
        }
        backend_->allgather(outputs, input)->wait();
        equal("allgather", at::cat(outputs[0]), expected);
        at::Tensor base = at::empty({size_ * count});
        backend_->_allgather_base(base, input[0])->wait();
        equal("_allgather_base", base, expected);
        std::vector<at::Tensor> coalesced{at::empty({size_ * count}), at::empty({size_ * count})};
        std::vector<at::Tensor> twice{input[0], input[0]};
        backend_->allgather_into_tensor_coalesced(coalesced, twice)->wait();
        equal("allgather_into_tensor_coalesced", coalesced[1], expected);
    }

    void gather_and_scatter(int64_t count) {
        for (int root = 0; root < size_; ++root) {
            std::vector<at::Tensor> input{values(count, at::kInt, rank_, 3)};
            std::vector<std::vector<at::Tensor>> lists;
            if (rank_ == root) {
                lists.emplace_back();
                for (int r = 0; r < size_; ++r) lists[0].push_back(at::empty({count}, at::kInt));
            }
            c10d::GatherOptions gather;
            gather.rootRank = root;
            backend_->gather(lists, input, gather)->wait();
            for (int r = 0; rank_ == root && r < size_; ++r)
                equal("gather", lists[0][size_t(r)], values(count, at::kInt, r, 3));

            std::vector<at::Tensor> output{at::empty({count}, at::kInt)};
            std::vector<std::vector<at::Tensor>> parts;
            if (rank_ == root) {
                parts.emplace_back();
                for (int r = 0; r < size_; ++r)
                    parts[0].push_back(values(count, at::kInt, r, root));
            }
            c10d::ScatterOptions scatter;
            scatter.rootRank = root;
            backend_->scatter(output, parts, scatter)->wait();
            equal("scatter", output[0], values(count, at::kInt, rank_, root));
        }
    }

    /// Rank a gives rank b `(a + 2 b) % 5 * unit` rows: parts of different sizes, some empty.
    void alltoall(int64_t unit) {
        auto rows = [&](int from, int to) { return int64_t((from + 2 * to) % 5) * unit; };
        auto part = [&](int from, int to) {
            return values(rows(from, to), at::kFloat, from, 100 + to);
        };
        std::vector<at::Tensor> give, take, expected;
        std::vector<int64_t> give_rows, take_rows;
        for (int r = 0; r < size_; ++r) {
            give.push_back(part(rank_, r));
            expected.push_back(part(r, rank_));
            take.push_back(at::empty_like(expected.back()));
            give_rows.push_back(rows(rank_, r));
            take_rows.push_back(rows(r, rank_));
        }
        at::Tensor given = at::cat(give);
        at::Tensor taken = at::empty({at::cat(expected).numel()});
        backend_->alltoall_base(taken, given, take_rows, give_rows)->wait();
        equal("alltoall_base", taken, at::cat(expected));
        if (gloo_) return;  // has no alltoall of lists
        backend_->alltoall(take, give)->wait();
        equal("alltoall", at::cat(take), at::cat(expected));
    }

    void equal_alltoall() {
        at::Tensor given = values(6 * size_, at::kLong, rank_, 4);
        at::Tensor taken = at::empty({6 * size_}, at::kLong);
        std::vector<int64_t> none;
        backend_->alltoall_base(taken, given, none, none)->wait();
        for (int r = 0; r < size_; ++r)
            equal("alltoall_base in equal parts", taken.slice(0, 6 * r, 6 * r + 6),
                  values(6 * size_, at::kLong, r, 4).slice(0, 6 * rank_, 6 * rank_ + 6));
    }

    /// Round a ring, all sending before anyone receives, so that no send may wait for its receive.
    void messages(int64_t count) {
        if (size_ == 1) return;
        const int next = (rank_ + 1) % size_, previous = (rank_ + size_ - 1) % size_;
        std::vector<at::Tensor> out{values(count, at::kFloat, rank_, 5)};
        std::vector<at::Tensor> other{values(7, at::kFloat, rank_, 6)};
        std::vector<at::Tensor> in{at::zeros({count})}, in_other{at::zeros({7})};
        const auto sent = backend_->send(out, next, 1);
        const auto sent_other = backend_->send(other, next, 2);
        // The later message first: tags keep them apart.
        backend_->recv(in_other, previous, 2)->wait();
        equal("recv of the second message", in_other[0], values(7, at::kFloat, previous, 6));
        const auto received = backend_->recv(in, previous, 1);
        received->wait();
        equal("recv", in[0], values(count, at::kFloat, previous, 5));
        sent->wait();
        sent_other->wait();
    }

    /// A message that is still under way while the ranks meet in a collective.
    void message_across_a_collective() {
        if (size_ == 1) return;
        std::vector<at::Tensor> tensor{rank_ == 0 ? values(100000, at::kFloat, 0, 8)
                                                  : at::zeros({100000})};
        c10::intrusive_ptr<c10d::Work> work;
        if (rank_ == 0) work = backend_->send(tensor, 1, 9);
        if (rank_ == 1) backend_->recv(tensor, 0, 9)->wait();
        backend_->barrier()->wait();
        if (rank_ == 0) work->wait();
        if (rank_ < 2) equal("recv before a barrier", tensor[0], values(100000, at::kFloat, 0, 8));
    }

    void message_from_anyone() {
        std::vector<at::Tensor> tensor{values(9, at::kFloat, rank_, 7)};
        if (rank_ != 0) {
            backend_->send(tensor, 0, 3)->wait();
            return;
        }
        std::vector<bool> seen(size_t(size_), false);
        for (int i = 1; i < size_; ++i) {
            const auto work = backend_->recvAnysource(tensor, 3);
            work->wait();
            const int from = work->sourceRank();
            equal("recvAnysource", tensor[0], values(9, at::kFloat, from, 7));
            if (seen.at(size_t(from))) wrong_.emplace_back("recvAnysource: the same rank twice");
            seen.at(size_t(from)) = true;
        }
    }

    void barrier() { backend_->barrier()->wait(); }

    std::vector<std::string> take() {
        for (std::string& line : wrong_)
            line =
                c10::str(backend_->getBackendName(), ", rank ", rank_, " of ", size_, ": ", line);
        return std::move(wrong_);
    }

  private:
    void equal(const std::string& what, const at::Tensor& got, const at::Tensor& expected) {
        if (!at::equal(got, expected))
            wrong_.push_back(c10::str(what, " of ", expected.numel(), " elements: wrong values"));
    }

    const CommPtr backend_;
    const int rank_;
    const int size_;
    const bool gloo_;
    std::vector<std::string> wrong_;
};

}  // namespace

std::vector<std::string> check_moves(const std::vector<CommPtr>& backends) {
    std::vector<std::string> wrong;
    for (const CommPtr& backend : backends) {
        Mover mover(backend);
        for (const c10::ScalarType type : {at::kFloat, at::kByte, at::kBool, at::kComplexFloat})
            mover.broadcast(type == at::kComplexFloat && backend->getBackendName() == "gloo"
                                ? at::kDouble
                                : type,
                            17);
        for (const int64_t count : {1, 3, 1000, 400003}) {
            mover.broadcast(at::kFloat, count);
            mover.allgather(count);
            mover.gather_and_scatter(count);
            mover.messages(count);
        }
        for (const int64_t unit : {1, 13, 40009}) mover.alltoall(unit);
        mover.equal_alltoall();
        mover.message_across_a_collective();
        mover.message_from_anyone();
        mover.barrier();
        mover.future();
        for (std::string& line : mover.take()) wrong.push_back(std::move(line));
    }
    return wrong;
}

std::vector<std::string> check_in_a_row(const CommPtr& backend, int rounds) {
    const int rank = backend->getRank(), size = backend->getSize();
    std::vector<std::string> wrong;
    auto expect = [&](int round, const at::Tensor& got, double value) {
        if (wrong.size() < 5 && !at::equal(got, at::full_like(got, value)))
            wrong.push_back(c10::str(backend->getBackendName(), ", rank ", rank, " of ", size,
                                     ": round ", round, " of calls in a row: expected ", value,
                                     ", got ", got.min().item<double>(), " to ",
                                     got.max().item<double>()));
    };
    // Sizes on both sides of a chunk's end.
    static constexpr int64_t counts[] = {1, 5, 1000, 4096, 4097, 65535, 65536, 65537, 131073};
    for (int round = 0; round < rounds; ++round) {
        const int64_t count = counts[(round * 7) % 9];
        const double base = round % 100;
        std::vector<at::Tensor> sum{at::full({count}, base + rank)};
        backend->allreduce(sum)->wait();
        expect(round, sum[0], base * size + size * (size - 1) / 2.0);
        c10d::BroadcastOptions options;
        options.rootRank = round % size;
        std::vector<at::Tensor> text{at::full({count % 100 + 1}, base + rank)};
        backend->broadcast(text, options)->wait();
        expect(round, text[0], base + round % size);
        if (round % 3 == 0) {
            at::Tensor all = at::empty({size});
            at::Tensor mine = at::full({1}, base + rank);
            backend->_allgather_base(all, mine)->wait();
            expect(round, all.slice(0, size - 1, size), base + size - 1);
        }
    }
    return wrong;
}

std::string check_all(const std::vector<CommPtr>& backends) {
    std::string text;
    auto add = [&](const std::vector<std::string>& wrong) {
        for (const std::string& line : wrong) text += line + "\n";
    };
    add(check_reductions(backends));
    add(check_moves(backends));
    for (const CommPtr& backend : backends) {
        add(check_in_a_row(backend, backend->getBackendName() == "gloo" ? 50 : 1000));
        add(check_buckets(backend));
    }
    return text;
}

}  // namespace ailab::testing
