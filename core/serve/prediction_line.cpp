#include "prediction_line.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "config/formats.hpp"

namespace ailab {
namespace {

Node nested_integers(const at::Tensor& tensor) {
    if (tensor.dim() == 0) return Node(Node::Value(tensor.item<int64_t>()));
    Node list = Node::list();
    for (int64_t i = 0; i < tensor.size(0); ++i) list.items().push_back(nested_integers(tensor[i]));
    return list;
}

Node nested_list(const at::Tensor& tensor) {
    if (tensor.dim() == 0) return Node(Node::Value(tensor.item<double>()));
    Node list = Node::list();
    for (int64_t i = 0; i < tensor.size(0); ++i) list.items().push_back(nested_list(tensor[i]));
    return list;
}

/// Of a sample whose output has more values a line has the predicted classes.
constexpr int64_t most_values = 1000;

Node integers(at::IntArrayRef values) {
    Node list = Node::list();
    for (const int64_t value : values) list.items().push_back(Node(Node::Value(value)));
    return list;
}

void set_shortened(Node& line, const at::Tensor& output, std::optional<int64_t> class_dim) {
    if (!class_dim) {
        line.set("output_shape", integers(output.sizes()));
        return;
    }
    const auto [score, index] = output.to(at::kFloat).softmax(*class_dim).max(*class_dim);
    line.set("prediction", nested_integers(index));
    if (score.numel() <= most_values) line.set("probability", nested_list(score));
}

Node score_node(const ClassScore& score) {
    Node node = Node::map();
    if (!score.name.empty()) node.set("class", Node::string(score.name));
    node.set("index", Node(Node::Value(score.index)));
    node.set("probability", Node(Node::Value(score.probability)));
    return node;
}

}  // namespace

bool is_shortened(const Prediction& prediction, const LineForm& form) {
    return !form.all_values && prediction.error.empty() && prediction.top.empty() &&
           prediction.output.numel() > most_values;
}

std::string prediction_line(const Prediction& prediction, const LineForm& form) {
    Node line = Node::map();
    line.set("file", Node::string(prediction.file));
    if (!prediction.error.empty()) {
        line.set("error", Node::string(prediction.error));
        return to_json(line);
    }
    if (is_shortened(prediction, form)) {
        set_shortened(line, prediction.output, form.class_dim);
    } else if (prediction.top.empty()) {
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
