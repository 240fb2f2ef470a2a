// What the run does as a training step tells it how far it is, and what it watches in steps.
#include <utility>

#include "ailab/log.hpp"
#include "runner.hpp"

namespace ailab {

void Runner::gradients_complete() {
    gradient_watch_.note();
    if (std::exchange(looks_at_registered_, false)) check_registered();
}

void Runner::record(const std::string& name, const Tensor& mean, double weight,
                    const Tensor& unless) {
    if (!unless.defined()) return record(name, mean, weight);
    for (const auto& window : windows_[size_t(Phase::train)])
        window->add_unless(unless, name, mean, weight);
}

/// The gradients of such a step are 0, as PyTorch's are, and it has no loss to log.
void Runner::nothing_counts() {
    if (std::exchange(told_uncounted_, true) || job_.rank() != 0) return;
    log_warning("training, step ", workflow_.position().step, ": none of the targets counts in ",
                forward_.loss_label(),
                ": all are ignored, or weigh nothing. Such a step has no loss, and its gradients "
                "are 0; check the labels, and the loss's ignore_index and weight");
}

/// After a step: at the end of what the watch waits for, one warning names the parameters that
/// nothing has trained.
void Runner::tell_if_never_reached() {
    if (gradient_watch_.done()) return;
    constexpr int64_t patience = 1000;
    const int64_t epoch = modules_.data.at(Phase::train).loader->plan().iterations();
    if (gradient_watch_.iterations() >= epoch)
        tell_never_reached("the first epoch");
    else if (gradient_watch_.steps() >= patience)
        tell_never_reached(concat("the first ", patience, " steps"));
}

void Runner::tell_never_reached(const std::string& when) {
    const std::vector<std::string> names = gradient_watch_.finish();
    if (names.empty() || job_.rank() != 0) return;
    log_warning("no gradient reached ", names.size() == 1 ? "the parameter " : "the parameters ",
                join(names), " in ", when, job_.world_size() > 1 ? ", on any rank" : "",
                ": nothing trains ", names.size() == 1 ? "it" : "them",
                ". The loss does not depend on ", names.size() == 1 ? "it" : "them",
                "; where weights were meant to be tied, note that an assignment "
                "(head->weight = embedding->weight) leaves the registered head.weight behind: "
                "register_parameter() the one tensor under both names");
}

/// Tensors that came, went or changed places while the run was going on would be left out of it
/// without a word.
void Runner::check_registered() const {
    Problems problems;
    for (const std::string& change : registered_.changes())
        problems.add(config_.model.config.place, change);
    problems.check();
}

}  // namespace ailab
