// Runs built-in models on what test_models.py computed with torchvision's.
#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <map>

#include "ailab/ailab.hpp"
#include "checkpoint/safetensors.hpp"
#include "plugins/make_module.hpp"
#include "weights/load_weights.hpp"

namespace ailab::test {
namespace {

const Node& at(const Node& request, const char* key) {
    if (const Node* node = request.find(key)) return *node;
    throw Error(concat("the request has no \"", key, "\""));
}

std::shared_ptr<Model> make_model(const Node& request) {
    return make<Model>(to_json(at(request, "model")));
}

/// Parameters and buffers in the order of Python's state_dict().
template <class Action>
void for_each_tensor(const torch::nn::Module& module, const std::string& prefix,
                     const Action& action) {
    for (const auto& item : module.named_parameters(/*recurse=*/false))
        action("parameter", prefix + item.key(), item.value());
    for (const auto& item : module.named_buffers(/*recurse=*/false))
        action("buffer", prefix + item.key(), item.value());
    for (const auto& child : module.named_children())
        for_each_tensor(*child.value(), prefix + child.key() + ".", action);
}

void print_moments(const std::vector<Tensor>& values) {
    const Tensor all = at::cat(values);
    const Tensor mean = all.mean(), away = all - mean;
    const Tensor variance = away.square().mean();
    for (const Tensor& moment :
         {mean, variance.sqrt(), away.pow(4).mean() / variance.square(), all.min(), all.max()})
        std::printf("\t%.17g", moment.item<double>());
}

/// The tensors of a model, and with "moments" what distribution their first values have: mean,
/// standard deviation, kurtosis, least and greatest over all "seeds".
void state(const Node& request) {
    struct Entry {
        std::string line;
        std::vector<Tensor> values;
    };
    std::vector<Entry> entries;
    const bool moments = at(request, "moments").as_bool();
    for (const Node& seed : at(request, "seeds").items()) {
        torch::manual_seed(uint64_t(seed.as_int()));
        const auto model = make_model(request);
        size_t i = 0;
        for_each_tensor(
            *model, "", [&](const char* kind, const std::string& name, const Tensor& tensor) {
                if (i == entries.size())
                    entries.push_back(
                        {concat(kind, "\t", name, "\t", c10::str(tensor.sizes())), {}});
                if (moments) entries[i].values.push_back(tensor.detach().flatten().to(at::kDouble));
                ++i;
            });
    }
    for (const Entry& entry : entries) {
        std::printf("%s", entry.line.c_str());
        if (moments) print_moments(entry.values);
        std::printf("\n");
    }
}

using Expected = std::map<std::string, Tensor>;

/// Prints the greatest difference relative to the greatest value, or to `least_scale` if that is
/// more.
void compare(const std::string& name, const Tensor& tensor, const Expected& expected,
             double least_scale = 1e-30) {
    const auto found = expected.find(name);
    if (found == expected.end()) return;
    const Tensor& wanted = found->second;
    if (!tensor.defined() || tensor.sizes() != wanted.sizes())
        throw Error(concat(name, " should be ", c10::str(wanted.sizes())));
    const Tensor scale = wanted.abs().max().clamp_min(least_scale);
    std::printf("difference\t%s\t%.3g\n", name.c_str(),
                ((tensor - wanted).abs().max() / scale).item<double>());
}

/// One forward and backward pass in a mode, "eval" or "train", against what Python expects.
void run_mode(Model& model, const std::string& mode, const Expected& expected) {
    model.train(mode == "train");
    model.zero_grad();
    Tensor input = expected.at("input");
    if (input.dim() == 4 && model.parameters()[0].is_contiguous(at::MemoryFormat::ChannelsLast))
        input = input.contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor output = model.forward(input);
    compare(mode + "/output", output.detach(), expected);
    if (!expected.count(mode + "/has_gradients")) return;
    (output * expected.at("cotangent")).sum().backward();
    // Some gradients are 0 but for rounding: those of a bias that a BatchNorm takes out again.
    double greatest = 0;
    for (const auto& [name, tensor] : expected)
        if (name.starts_with(mode + "/gradient/"))
            greatest = std::max(greatest, tensor.abs().max().item<double>());
    for (const auto& item : model.named_parameters())
        compare(concat(mode, "/gradient/", item.key()), item.value().grad(), expected,
                1e-3 * greatest);
    for (const auto& item : model.named_buffers())
        compare(concat(mode, "/buffer/", item.key()), item.value(), expected);
}

/// Loads "weights" and compares what comes out, relative to the greatest value of each tensor.
void compare_passes(const Node& request) {
    const auto model = make_model(request);
    if (at(request, "dtype").as_string() == "float64") model->to(at::kDouble);
    if (at(request, "channels_last").as_bool())
        for (Tensor& parameter : model->parameters())
            if (parameter.dim() == 4)
                parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
    const LoadedWeights loaded =
        load_weights(*model, Pretrained{at(request, "weights").as_string(), "", {}});
    std::printf("loaded\t%s%s\n", loaded.summary.c_str(), describe_unmatched(loaded).c_str());
    const NamedTensors tensors = read_safetensors(at(request, "expected").as_string());
    const Expected expected(tensors.begin(), tensors.end());
    for (const Node& mode : at(request, "modes").items()) {
        torch::manual_seed(uint64_t(at(request, "seed").as_int()));
        run_mode(*model, mode.as_string(), expected);
    }
}

}  // namespace
}  // namespace ailab::test

/// One request a line, a map in JSON; its answer's lines, then "ok" or "error", a tab and the
/// reason.
int main() {
    using ailab::Node;
    const std::map<std::string, void (*)(const Node&)> commands = {
        {"state", ailab::test::state}, {"compare", ailab::test::compare_passes}};
    for (std::string line; std::getline(std::cin, line);) {
        try {
            const Node request = ailab::from_json(line, "the request");
            commands.at(ailab::test::at(request, "command").as_string())(request);
            std::printf("ok\n");
        } catch (const std::exception& error) {
            std::string text = error.what();
            std::printf("error\t%s\n", text.substr(0, text.find('\n')).c_str());
        }
        std::fflush(stdout);
    }
}
