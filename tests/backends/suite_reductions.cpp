#include <ATen/ATen.h>

#include "reference.hpp"
#include "suite.hpp"

namespace ailab::testing {
namespace {

constexpr Op all_ops[] = {Op::SUM, Op::AVG,  Op::PRODUCT, Op::MIN,
                          Op::MAX, Op::BAND, Op::BOR,     Op::BXOR};
constexpr c10::ScalarType all_types[] = {at::kFloat, at::kDouble, at::kHalf,  at::kBFloat16,
                                         at::kChar,  at::kByte,   at::kShort, at::kInt,
                                         at::kLong,  at::kBool};

bool defined_for(c10::ScalarType type, Op op) {
    const bool bits = op == Op::BAND || op == Op::BOR || op == Op::BXOR;
    if (type == at::kBool) return op != Op::AVG;
    return !bits || c10::isIntegralType(type, false);
}

/// LibTorch's gloo has no mean, no int16, and adds bools as bytes. Our own have all.
bool offered(const c10d::Backend& backend, c10::ScalarType type, Op op) {
    if (backend.getBackendName() != "gloo") return true;
    return op != Op::AVG && type != at::kShort && type != at::kBool;
}

class Checker {
  public:
    explicit Checker(const std::vector<CommPtr>& backends)
        : backends_(backends), rank_(backends[0]->getRank()), size_(backends[0]->getSize()) {}

    void allreduce(c10::ScalarType type, Op op, int64_t count) {
        ++salt_;
        const at::Tensor expected = reduced(count, type, size_, salt_, op);
        at::Tensor first;
        for (const CommPtr& backend : backends_) {
            if (!offered(*backend, type, op)) continue;
            std::vector<at::Tensor> tensors{values(count, type, rank_, salt_)};
            c10d::AllreduceOptions options;
            options.reduceOp = op;
            const auto work = backend->allreduce(tensors, options);
            work->wait();
            const std::string what =
                c10::str("allreduce ", op_name(op), " of ", count, " ", c10::toString(type));
            note(*backend, what, difference(tensors[0], expected, size_));
            if (first.defined())
                note(*backend, what + " against the first backend",
                     difference(tensors[0], first, size_));
            else
                first = tensors[0];
            same_bits(*backend, what, tensors[0]);
        }
    }

    void reduce(c10::ScalarType type, Op op, int64_t count, int root) {
        ++salt_;
        const at::Tensor expected = reduced(count, type, size_, salt_, op);
        for (const CommPtr& backend : backends_) {
            std::vector<at::Tensor> tensors{values(count, type, rank_, salt_)};
            c10d::ReduceOptions options;
            options.reduceOp = op;
            options.rootRank = root;
            backend->reduce(tensors, options)->wait();
            if (rank_ == root)
                note(*backend, c10::str("reduce to ", root, " of ", count),
                     difference(tensors[0], expected, size_));
        }
    }

    void reduce_scatter(c10::ScalarType type, Op op, int64_t count) {
        ++salt_;
        // Rank r gets the r-th part of the sum of everyone's size * count values.
        const at::Tensor all = reduced(count * size_, type, size_, salt_, op);
        const at::Tensor expected = all.slice(0, rank_ * count, (rank_ + 1) * count);
        for (const CommPtr& backend : backends_) {
            at::Tensor input = values(count * size_, type, rank_, salt_);
            c10d::ReduceScatterOptions options;
            options.reduceOp = op;
            if (backend->getBackendName() != "gloo") {
                std::vector<std::vector<at::Tensor>> inputs{at::tensor_split(input, size_, 0)};
                std::vector<at::Tensor> outputs{at::empty({count}, type)};
                backend->reduce_scatter(outputs, inputs, options)->wait();
                note(*backend, c10::str("reduce_scatter of ", count),
                     difference(outputs[0], expected, size_));
                outputs[0].zero_();
                std::vector<at::Tensor> whole{input};
                backend->reduce_scatter_tensor_coalesced(outputs, whole, options)->wait();
                note(*backend, c10::str("reduce_scatter_tensor_coalesced of ", count),
                     difference(outputs[0], expected, size_));
            }
            at::Tensor output = at::empty({count}, type);
            backend->_reduce_scatter_base(output, input, options)->wait();
            note(*backend, c10::str("_reduce_scatter_base of ", count),
                 difference(output, expected, size_));
        }
    }

    /// In place on memory that is not contiguous: a transposed matrix and every second element.
    void strided() {
        for (const CommPtr& backend : backends_) {
            // gloo takes contiguous tensors alone.
            if (backend->getBackendName() == "gloo") continue;
            const at::Tensor expected = reduced(300, at::kFloat, size_, ++salt_, Op::SUM);
            at::Tensor columns = at::zeros({15, 20}).t();
            columns.copy_(values(300, at::kFloat, rank_, salt_).reshape({20, 15}));
            at::Tensor every_second = at::zeros({600}).slice(0, 0, 600, 2);
            every_second.copy_(values(300, at::kFloat, rank_, salt_));
            for (at::Tensor tensor : {columns, every_second}) {
                std::vector<at::Tensor> tensors{tensor};
                backend->allreduce(tensors)->wait();
                note(*backend, "allreduce of a strided tensor",
                     difference(tensor.reshape({-1}), expected, size_));
            }
        }
    }

    void coalesced() {
        for (const CommPtr& backend : backends_) {
            std::vector<at::Tensor> tensors;
            for (int i = 0; i < 3; ++i) tensors.push_back(values(10 + i, at::kFloat, rank_, i));
            backend->allreduce_coalesced(tensors)->wait();
            for (int i = 0; i < 3; ++i)
                note(*backend, c10::str("allreduce_coalesced, tensor ", i),
                     difference(tensors[size_t(i)], reduced(10 + i, at::kFloat, size_, i, Op::SUM),
                                size_));
        }
    }

    std::vector<std::string> take() { return std::move(wrong_); }

  private:
    void note(const c10d::Backend& backend, const std::string& what,
              const std::string& difference) {
        if (!difference.empty())
            wrong_.push_back(c10::str(backend.getBackendName(), ", rank ", rank_, " of ", size_,
                                      ": ", what, ": ", difference));
    }

    /// Every rank compares its bytes with rank 0's.
    void same_bits(c10d::Backend& backend, const std::string& what, const at::Tensor& result) {
        at::Tensor bytes = at::empty({int64_t(result.nbytes())}, at::kByte);
        std::copy_n(static_cast<const uint8_t*>(result.const_data_ptr()), result.nbytes(),
                    bytes.data_ptr<uint8_t>());
        std::vector<at::Tensor> rank0{bytes.clone()};
        backend.broadcast(rank0)->wait();
        if (!at::equal(rank0[0], bytes)) note(backend, what, "other bits than rank 0");
    }

    const std::vector<CommPtr>& backends_;
    const int rank_;
    const int size_;
    int salt_ = 0;
    std::vector<std::string> wrong_;
};

}  // namespace

std::vector<std::string> check_reductions(const std::vector<CommPtr>& backends) {
    Checker checker(backends);
    for (const c10::ScalarType type : all_types)
        for (const Op op : all_ops) {
            if (!defined_for(type, op)) continue;
            for (const int64_t count : {0, 1, 3, 17, 1000}) checker.allreduce(type, op, count);
        }
    for (const c10::ScalarType type :
         {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf, at::kLong})
        for (const int64_t count : {50890, 200003}) checker.allreduce(type, Op::SUM, count);
    checker.allreduce(at::kFloat, Op::SUM, 1000003);
    checker.allreduce(at::kFloat, Op::MAX, 200003);
    for (int root = 0; root < backends[0]->getSize(); ++root)
        for (const int64_t count : {0, 1, 1000, 200003})
            checker.reduce(at::kFloat, Op::SUM, count, root);
    checker.reduce(at::kLong, Op::MAX, 77, 0);
    for (const int64_t count : {1, 3, 1000, 100003}) {
        checker.reduce_scatter(at::kFloat, Op::SUM, count);
        checker.reduce_scatter(at::kLong, Op::MIN, count);
    }
    checker.strided();
    checker.coalesced();
    return checker.take();
}

}  // namespace ailab::testing
