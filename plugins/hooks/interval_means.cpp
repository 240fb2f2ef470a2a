#include "interval_means.hpp"

#include <algorithm>

namespace ailab {
namespace {

template <class Sums>
auto& sum_of(Sums& sums, const std::string& name) {
    const auto found =
        std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.name == name; });
    return found != sums.end() ? *found : sums.emplace_back(typename Sums::value_type{name, 0, 0});
}

template <class Sums>
void add_to(Sums& sums, const Span& span) {
    for (const auto& [name, value] : span.values) {
        auto& sum = sum_of(sums, name);
        sum.sum += value * span.samples;
        sum.samples += span.samples;
    }
}

template <class Sums>
NamedValues means(const Sums& sums) {
    NamedValues values;
    for (const auto& sum : sums) values.emplace_back(sum.name, sum.sum / sum.samples);
    return values;
}

Node values_node(const NamedValues& values) {
    Node map = Node::map();
    for (const auto& [name, value] : values) map.set(name, Node(value));
    return map;
}

}  // namespace

void IntervalMeans::add(Span span) {
    add_to(epoch_, span);
    spans_.push_back(std::move(span));
    ++present_;
}

NamedValues IntervalMeans::end_interval() {
    int64_t iterations = 0;
    size_t taken = 0;
    while (taken < spans_.size() && (taken < present_ || iterations < smoothing_))
        iterations += spans_[spans_.size() - ++taken].iterations;
    spans_.erase(spans_.begin(), spans_.end() - std::ptrdiff_t(taken));
    present_ = 0;
    NamedValues values;
    if (spans_.size() == 1) {
        values = spans_.front().values;  // to the last digit
    } else {
        std::vector<Sum> sums;
        for (const Span& span : spans_) add_to(sums, span);
        values = means(sums);
    }
    if (smoothing_ == 0) spans_.clear();
    return values;
}

NamedValues IntervalMeans::epoch() const {
    return means(epoch_);
}

Node IntervalMeans::save() const {
    Node::List spans;
    for (const Span& span : spans_) {
        Node node = Node::map();
        node.set("iterations", Node(span.iterations));
        node.set("samples", Node(span.samples));
        node.set("values", values_node(span.values));
        spans.push_back(std::move(node));
    }
    Node::List sums;
    for (const Sum& sum : epoch_)
        sums.push_back(Node::list({Node::string(sum.name), Node(sum.sum), Node(sum.samples)}));
    Node state = Node::map();
    state.set("spans", Node::list(std::move(spans)));
    state.set("present", Node(int64_t(present_)));
    state.set("epoch", Node::list(std::move(sums)));
    return state;
}

void IntervalMeans::load(const Node& state) {
    spans_.clear();
    for (const Node& node : state.find("spans")->items()) {
        Span span{node.find("iterations")->as_int(), node.find("samples")->as_float(), {}};
        for (const Member& member : node.find("values")->members())
            span.values.emplace_back(member.key, member.value.as_float());
        spans_.push_back(std::move(span));
    }
    present_ = size_t(state.find("present")->as_int());
    epoch_.clear();
    for (const Node& node : state.find("epoch")->items())
        epoch_.push_back(
            {node.items()[0].as_string(), node.items()[1].as_float(), node.items()[2].as_float()});
}

}  // namespace ailab
