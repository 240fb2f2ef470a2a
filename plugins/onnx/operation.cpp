#include "operation.hpp"

#include <numeric>

#include "ailab/error.hpp"

namespace ailab::onnx {

namespace {

const Operations& all_operations() {
    static const Operations all = [] {
        Operations joined;
        for (Operations part : {elementwise(), activations(), layers(), pooling(), shapes()}) {
            joined.writers.merge(part.writers);
            joined.readers.merge(part.readers);
        }
        return joined;
    }();
    return all;
}

}  // namespace

std::string translate(Call& call) {
    const auto& writers = all_operations().writers;
    const auto found = writers.find(call.operation());
    if (found == writers.end()) call.refuse("nobody has written it");
    return found->second(call);
}

at::Tensor compute(const Node& node, const Values& inputs) {
    const auto& readers = all_operations().readers;
    const auto found = readers.find(node.operation);
    if (found == readers.end())
        throw Error(concat("the ONNX operator ", node.operation, " cannot be checked"));
    return found->second(node, inputs);
}

std::string identity(Call& c) {
    return c.tensor(0);
}

std::string transposed(Call& c, const std::string& value, int64_t rank, int64_t a, int64_t b) {
    std::vector<int64_t> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[size_t(a)], order[size_t(b)]);
    return c.graph.add("Transpose", {value}, {{"perm", order}});
}

std::vector<int64_t> each(const std::vector<int64_t>& given, size_t dimensions) {
    return given.size() == 1 ? std::vector<int64_t>(dimensions, given[0]) : given;
}

std::vector<int64_t> both_sides(const std::vector<int64_t>& padding) {
    std::vector<int64_t> pads = padding;
    pads.insert(pads.end(), padding.begin(), padding.end());
    return pads;
}

std::vector<int64_t> numbers(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous();
    return {flat.const_data_ptr<int64_t>(), flat.const_data_ptr<int64_t>() + flat.numel()};
}

std::vector<int64_t> padding(const Node& node, size_t dimensions) {
    const std::vector<int64_t> pads = node.list("pads");
    if (pads.empty()) return std::vector<int64_t>(dimensions, 0);
    if (pads.size() != 2 * dimensions) throw Error("the padding does not fit the dimensions");
    if (!std::equal(pads.begin(), pads.begin() + long(dimensions), pads.begin() + long(dimensions)))
        throw Error("the padding differs from side to side");
    return {pads.begin(), pads.begin() + long(dimensions)};
}

}  // namespace ailab::onnx
