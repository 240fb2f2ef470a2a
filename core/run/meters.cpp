#include "meters.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ailab {

namespace {

/// A scalar on the CPU, read without the dispatcher: this happens in every iteration.
double read_scalar(const Tensor& tensor) {
    if (tensor.scalar_type() == at::kFloat) return *tensor.const_data_ptr<float>();
    if (tensor.scalar_type() == at::kDouble) return *tensor.const_data_ptr<double>();
    return tensor.item<double>();
}

}  // namespace

Meters::Sum& Meters::find(const std::string& name) {
    for (Sum& sum : sums_)
        if (sum.name == name) return sum;
    return sums_.emplace_back(Sum{name, 0, 0, {}});
}

void Meters::add(const std::string& name, double mean, double weight) {
    Sum& sum = find(name);
    sum.sum += mean * weight;
    sum.weight += weight;
}

void Meters::add(const std::string& name, const Tensor& mean, double weight) {
    if (mean.is_cpu()) return add(name, read_scalar(mean), weight);
    const at::NoGradGuard no_grad;
    Sum& sum = find(name);
    if (!sum.on_device.defined())
        sum.on_device = at::zeros({}, mean.options().dtype(at::kDouble).requires_grad(false));
    sum.on_device.add_(mean.detach(), weight);
    sum.weight += weight;
}

void Meters::add_unless(const Tensor& left_out, const std::string& name, const Tensor& mean,
                        double weight) {
    if (mean.is_cpu()) {
        if (read_scalar(left_out) == 0) add(name, read_scalar(mean), weight);
        return;
    }
    const at::NoGradGuard no_grad;
    Sum& sum = find(name);
    const auto numbers = mean.options().dtype(at::kDouble).requires_grad(false);
    for (Tensor* total : {&sum.on_device, &sum.weight_on_device})
        if (!total->defined()) *total = at::zeros({}, numbers);
    const Tensor out = left_out.ne(0);
    // Not times 0: what is left out is not finite.
    sum.on_device.add_(mean.detach().masked_fill(out, 0), weight);
    sum.weight_on_device.add_(out.logical_not(), weight);
}

void Meters::Sum::collect() {
    for (auto [tensor, number] :
         {std::pair(&on_device, &sum), std::pair(&weight_on_device, &weight)}) {
        if (!tensor->defined()) continue;
        *number += tensor->item<double>();
        tensor->zero_();
    }
}

/// A rank that had no samples may not know a name yet: the ranks agree on the list when any of them
/// has a new one.
std::vector<std::string> Meters::names_everywhere() {
    std::vector<std::string> mine;
    for (const Sum& sum : sums_) mine.push_back(sum.name);
    if (comm_->world_size() == 1) return mine;
    Tensor unknown = at::zeros({1}, at::kLong);
    for (const std::string& name : mine)
        if (std::find(agreed_.begin(), agreed_.end(), name) == agreed_.end()) unknown.fill_(1);
    comm_->all_reduce_max(unknown);
    if (unknown.item<int64_t>() == 0) return agreed_;
    for (const std::string& list : comm_->gather_text(join(mine, "\n"))) {
        for (size_t begin = 0; begin < list.size();) {
            const size_t end = std::min(list.find('\n', begin), list.size());
            const std::string name = list.substr(begin, end - begin);
            if (std::find(agreed_.begin(), agreed_.end(), name) == agreed_.end())
                agreed_.push_back(name);
            begin = end + 1;
        }
    }
    return agreed_;
}

Node Meters::save() {
    Node::List list;
    for (Sum& sum : sums_) {
        sum.collect();
        list.push_back(Node::list({Node::string(sum.name), Node(sum.sum), Node(sum.weight)}));
    }
    return Node::list(std::move(list));
}

void Meters::load(const Node& saved) {
    if (!saved.is_list()) throw Error("the saved averages are no list");
    for (const Node& entry : saved.items()) {
        if (!entry.is_list() || entry.items().size() != 3 || !entry.items()[0].is_string() ||
            !entry.items()[1].is_number() || !entry.items()[2].is_number())
            throw Error("a saved average is no [name, sum, weight]");
        Sum& sum = find(entry.items()[0].as_string());
        sum.sum += entry.items()[1].as_float();
        sum.weight += entry.items()[2].as_float();
    }
}

std::vector<std::pair<std::string, double>> Meters::reduce() {
    const std::vector<std::string> names = names_everywhere();
    std::vector<double> values;  // a sum and a weight each
    for (const std::string& name : names) {
        Sum& sum = find(name);
        sum.collect();
        values.insert(values.end(), {sum.sum, sum.weight});
    }
    if (comm_->world_size() > 1 && !names.empty()) {
        Tensor packed = at::from_blob(values.data(), {int64_t(values.size())}, at::kDouble);
        comm_->all_reduce_sum(packed);
    }
    std::vector<std::pair<std::string, double>> means;
    for (size_t i = 0; i < names.size(); ++i)
        if (values[2 * i + 1] != 0) means.emplace_back(names[i], values[2 * i] / values[2 * i + 1]);
    for (Sum& sum : sums_) sum.sum = sum.weight = 0;
    return means;
}

}  // namespace ailab
