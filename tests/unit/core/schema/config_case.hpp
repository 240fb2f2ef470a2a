#pragma once
#include <string>
#include <vector>

#include "fake_modules.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// The least that is a whole configuration; tests append from line 5 on.
inline const std::string least =
    "model: {type: TinyModel}\n"
    "data: {train: {type: ListData, root: /d}}\n"
    "optimizer: {type: AdamW}\n"
    "total_epochs: 1\n";

/// What the top level takes, as messages list it.
inline const std::string all_keys =
    "seed, work_dir, resume_from, load_from, plugins, dist, model, data, global_batch_size, loss, "
    "task, optimizer, workflow, total_epochs, total_iters, hooks, runtime, accumulative_counts, "
    "clip_grad, "
    "paramwise_cfg, norm_eval, val_interval, overfit_batches";

inline RunConfig parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
    fake::reset_host();
    ConfigInput input;
    input.overrides = overrides;
    return parse_config(text, "c.yaml", input);
}

/// What load says about a wrong configuration; "accepted" if it takes it.
inline std::string complaint(const std::string& text,
                             const std::vector<std::string>& overrides = {}) {
    try {
        parse(text, overrides);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace ailab
