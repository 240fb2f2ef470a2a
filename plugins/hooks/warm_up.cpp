#include "warm_up.hpp"
#include "options/limits.hpp"

#include <cmath>

namespace ailab {

void WarmUp::visit(OptionVisitor& v) {
    v.option("warmup", form,
             "a factor of the learning rate at the start: from warmup_ratio to 1 in a straight "
             "line (linear) or by equal factors (exp), or warmup_ratio (constant)",
             one_of({"linear", "exp", "constant"}));
    v.option("warmup_iters", iters, "optimizer steps of the warm-up, or epochs", steps_from(0));
    v.option("warmup_ratio", ratio, "the first factor",
             {.min = 0, .max = 1, .exclusive_min = true});
    v.option("warmup_by_epoch", by_epoch, "warmup_iters counts epochs");
    v.rule([this]() -> std::string {
        if (form && iters < 1) return "warmup needs warmup_iters, its length";
        if (!form && iters > 0) return "warmup_iters needs warmup: linear, exp or constant";
        return "";
    });
}

int64_t WarmUp::steps(const Progress& progress) const {
    if (!form) return 0;
    if (!by_epoch.value) return iters;
    if (progress.total_epochs < 1)
        throw ConfigError(
            {{by_epoch.place,
              "warmup_by_epoch: the run counts iterations. Give warmup_iters in optimizer steps"}});
    return iters * (progress.total_steps / progress.total_epochs);
}

double WarmUp::factor(int64_t step, int64_t steps) const {
    if (step >= steps) return 1;
    const double left = 1 - double(step) / double(steps);
    if (*form == "linear") return 1 - left * (1 - ratio);
    if (*form == "exp") return std::pow(ratio, left);
    return ratio;
}

}  // namespace ailab
