#pragma once
// Options that many optimizers have, each described once.
#include <optional>
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

inline void lr_option(OptionVisitor& v, double& lr) {
    v.option("lr", lr, "learning rate", at_least(0));
}

/// `count` numbers in the list, no more and no fewer.
template <class T>
void list_option(OptionVisitor& v, const std::string& name, std::vector<T>& list, size_t count,
                 const std::string& doc, Bounds bounds = {}) {
    v.option(name, list, doc, std::move(bounds));
    v.rule([name, &list, count] {
        return list.size() == count ? std::string()
                                    : concat(name, " takes ", count, " numbers, got ", list.size());
    });
}

inline void betas_option(OptionVisitor& v, std::vector<double>& betas,
                         const std::string& name = "betas") {
    list_option(v, name, betas, 2, "decay of the averages of the gradient and of its square",
                {.min = 0, .max = 1, .exclusive_max = true});
}

inline constexpr const char* usual_eps = "added to the denominator";

inline void eps_option(OptionVisitor& v, double& eps, const std::string& doc = usual_eps) {
    v.option("eps", eps, doc, at_least(0));
}

inline void weight_decay_option(OptionVisitor& v, double& weight_decay) {
    v.option("weight_decay", weight_decay, "weight decay", at_least(0));
}

inline void decoupled_weight_decay_option(OptionVisitor& v, bool& decoupled) {
    v.option("decoupled_weight_decay", decoupled,
             "weight decay shrinks the weights instead of being added to the gradient");
}

inline void momentum_option(OptionVisitor& v, double& momentum) {
    v.option("momentum", momentum, "part of the last step that is kept", at_least(0));
}

/// What schedules move: without momentum there is nothing to move.
inline std::optional<double> momentum_if_used(double momentum) {
    return momentum > 0 ? std::optional(momentum) : std::nullopt;
}

inline void maximize_option(OptionVisitor& v, bool& maximize) {
    v.option("maximize", maximize, "go up the gradient instead of down");
}

inline void caution_option(OptionVisitor& v, bool& caution) {
    v.option("caution", caution, "update only those weights whose update and gradient agree");
}

/// timm's option of Lion and LAMB: decay by lr^2 / (the configured lr) where else it is lr
/// (Defazio, 2025).
inline void corrected_weight_decay_option(OptionVisitor& v, bool& corrected, const double& lr) {
    v.option("corrected_weight_decay", corrected,
             "decoupled weight decay falls with the square of the scheduled learning rate");
    v.rule([&corrected, &lr] {
        return corrected && lr == 0 ? "corrected_weight_decay needs an lr above 0" : "";
    });
}

/// What weight decay goes by then. The configured rate is the group's, which a run that goes on
/// keeps from its checkpoint, without the group's multiple.
inline double corrected_lr(const ParamGroup& group) {
    if (group.initial_lr == 0) return group.lr;
    return group.lr * group.lr / (group.initial_lr / group.lr_mult);
}

/// Adam's options, and those of its kin. Names and defaults are PyTorch's.
struct AdamBaseOptions {
    double lr = 1e-3;
    std::vector<double> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    bool maximize = false;

    /// All but `maximize`, which comes last.
    void visit_base(OptionVisitor& v, const std::string& eps_doc = usual_eps) {
        lr_option(v, lr);
        betas_option(v, betas);
        eps_option(v, eps, eps_doc);
        weight_decay_option(v, weight_decay);
    }
};

}  // namespace ailab
