#pragma once
// The problem of tests/reference/optimizers.py: parameters of several shapes whose gradients follow
// from their values and the number of the step.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "plugins/test_device.hpp"

namespace ailab::test {

struct Problem {
    std::vector<std::string> names = {"matrix", "weight", "vector"};
    std::vector<Tensor> params;

    explicit Problem(at::ScalarType type = at::kDouble) {
        const std::vector<std::vector<int64_t>> shapes = {{3, 4}, {2, 1, 2, 2}, {3}};
        for (size_t k = 0; k < shapes.size(); ++k) {
            const Tensor n = torch::arange(c10::multiply_integers(shapes[k]), type);
            params.push_back((((5 * n + int64_t(k)).remainder(13)) / 13 - 0.3)
                                 .reshape(shapes[k])
                                 .to(test_device())
                                 .requires_grad_());
        }
    }

    /// An optimizer with its groups as the core makes them: parameters of the same defaults
    /// together.
    std::shared_ptr<Optimizer> optimizer(const std::string& json) const {
        auto made = make<Optimizer>(json);
        for (size_t k = 0; k < params.size(); ++k) {
            const GroupDefaults own = made->defaults(params[k]);
            auto& groups = made->groups();
            auto group = std::find_if(groups.begin(), groups.end(), [&](const ParamGroup& one) {
                return one.initial_lr == own.lr && one.weight_decay == own.weight_decay &&
                       one.momentum == own.momentum;
            });
            if (group == groups.end())
                group = groups.insert(
                    groups.end(),
                    {.lr = own.lr,
                     .initial_lr = own.lr,
                     .weight_decay = own.weight_decay,
                     .momentum = own.momentum,
                     .initial_momentum = own.scheduled_momentum ? own.momentum : std::nullopt});
            group->names.push_back(names[k]);
            group->params.push_back(params[k]);
        }
        return made;
    }

    /// For step 1, 2, …; times `scale`. The vector gets none in step 7 if `leaves_out`.
    void set_gradients(int step, bool leaves_out = true, double scale = 1) {
        for (size_t k = 0; k < params.size(); ++k) {
            const Tensor p = params[k].detach();
            const Tensor n = torch::arange(p.numel(), p.options()).reshape(p.sizes());
            const Tensor curvature = 0.5 + 0.25 * n.remainder(5);
            const Tensor minimum = (7 * n).remainder(11) / 11 - 0.5;
            const Tensor noise = 0.2 * ((3 * n + (5 * step + int(k))).remainder(7) - 3);
            params[k].mutable_grad() = (curvature * (p - minimum) + noise) * scale;
        }
        if (leaves_out && step == 7) params[2].mutable_grad() = Tensor();
    }

    std::vector<double> numbers() const {
        std::vector<Tensor> flat;
        for (const Tensor& p : params)
            flat.push_back(p.detach().to(at::kCPU, at::kDouble).flatten());
        const Tensor all = at::cat(flat);
        return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
    }
};

/// optimizers.json, written by optimizers.py.
inline nlohmann::json optimizer_references() {
    std::ifstream file(AILAB_REFERENCE "/optimizers.json");
    return nlohmann::json::parse(file);
}

/// The configuration of an optimizer: {"type": …, its options}.
inline std::string optimizer_json(const std::string& type, nlohmann::json options) {
    options["type"] = type;
    return options.dump();
}

}  // namespace ailab::test
