// Reads what a run left, as ailab's commands do, many times in one process: a line on standard
// input is a question
// ("<verb> TAB <path>"), a line on standard output its answer ("ok TAB …" or "refused TAB <why>").
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <iostream>

#include "ailab/error.hpp"
#include "tools/tools.hpp"
#include "weights/load_weights.hpp"
#include "work_dir/checkpoint_choice.hpp"
#include "work_dir/find_checkpoint.hpp"

namespace ailab {
namespace {

/// As SmallNet of plugin.cpp.
struct SmallNet : torch::nn::Module {
    SmallNet() {
        register_module("fc1", torch::nn::Linear(16, 12));
        register_module("bn", torch::nn::BatchNorm1d(12));
        register_module("fc2", torch::nn::Linear(12, 4));
    }
};

/// The text alone of a tool that also tells whether all is well.
template <class Output>
std::string text_of(const Output& output) {
    if constexpr (requires { output.text; })
        return output.text;
    else
        return output;
}

std::string answer(const std::string& verb, const std::string& path) {
    if (verb == "auto") {
        const FoundCheckpoint found = find_newest_checkpoint(path);
        if (found.path.empty() && found.exist) throw Error(join(found.skipped, "; "));
        return found.path;
    }
    if (verb == "inspect") {
        ToolRequest request;
        request.paths = {path};
        request.json = true;
        return text_of(inspect_checkpoint(request));
    }
    if (verb == "runs") {
        ToolRequest request;
        request.paths = {path};
        return text_of(list_runs(request));
    }
    if (verb == "test") {
        SmallNet net;
        return load_trained_weights(net, path);
    }
    if (verb == "load_from") {
        SmallNet net;
        const LoadedWeights loaded = load_weights(net, path);
        return loaded.summary + describe_unmatched(loaded);
    }
    throw Error("no such question: " + verb);
}

std::string in_one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace
}  // namespace ailab

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const size_t tab = line.find('\t');
        std::string said;
        try {
            said = "ok\t" + ailab::answer(line.substr(0, tab), line.substr(tab + 1));
        } catch (const std::exception& error) {
            said = std::string("refused\t") + error.what();
        }
        std::cout << ailab::in_one_line(said) << std::endl;
    }
}
