#include "top_classes.hpp"

#include <algorithm>

namespace ailab::tasks {
namespace {

Node score_node(const ClassScore& score) {
    Node node = Node::map();
    if (!score.name.empty()) node.set("class", Node::string(score.name));
    node.set("index", Node(Node::Value(score.index)));
    node.set("probability", Node(Node::Value(score.probability)));
    return node;
}

}  // namespace

std::vector<ClassScore> most_likely(const Tensor& probabilities, int64_t most,
                                    const std::vector<std::string>& names) {
    const auto [values, indices] =
        probabilities.topk(std::min<int64_t>(most, probabilities.size(0)));
    std::vector<ClassScore> top;
    for (int64_t i = 0; i < values.size(0); ++i) {
        const auto index = indices[i].item<int64_t>();
        const bool named = index < int64_t(names.size());
        top.push_back({index, named ? names[size_t(index)] : "", values[i].item<double>()});
    }
    return top;
}

std::optional<Predictions> by_top_classes(const Task& task, const Tensor& output,
                                          const PredictionForm& form) {
    if (output.dim() == 0 || output.dim() > 2) return std::nullopt;
    Predictions said;
    for (int64_t i = 0; i < output.size(0); ++i) {
        said.top.push_back(task.top_classes(output[i], form.most_classes));
        if (said.top.back().empty()) return std::nullopt;
        Node list = Node::list();
        for (const ClassScore& score : said.top.back()) list.items().push_back(score_node(score));
        said.samples.push_back({{"top", std::move(list)}});
    }
    return said;
}

}  // namespace ailab::tasks
