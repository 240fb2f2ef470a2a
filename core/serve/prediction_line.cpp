#include "prediction_line.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "config/formats.hpp"

namespace ailab {
namespace {

Node nested_list(const at::Tensor& tensor) {
    if (tensor.dim() == 0) return Node(Node::Value(tensor.item<double>()));
    Node list = Node::list();
    for (int64_t i = 0; i < tensor.size(0); ++i) list.items().push_back(nested_list(tensor[i]));
    return list;
}

Node score_node(const ClassScore& score) {
    Node node = Node::map();
    if (!score.name.empty()) node.set("class", Node::string(score.name));
    node.set("index", Node(Node::Value(score.index)));
    node.set("probability", Node(Node::Value(score.probability)));
    return node;
}

}  // namespace

std::string prediction_line(const Prediction& prediction) {
    Node line = Node::map();
    line.set("file", Node::string(prediction.file));
    if (!prediction.error.empty()) {
        line.set("error", Node::string(prediction.error));
        return to_json(line);
    }
    if (prediction.top.empty()) {
        line.set("output", nested_list(prediction.output));
    } else {
        Node top = Node::list();
        for (const ClassScore& score : prediction.top) top.items().push_back(score_node(score));
        line.set("top", std::move(top));
    }
    constexpr double precision = 1e6;  // microseconds
    line.set("time", Node(Node::Value(std::round(prediction.seconds * precision) / precision)));
    return to_json(line);
}

}  // namespace ailab
