#include "never_due.hpp"

#include <algorithm>
#include <initializer_list>

namespace ailab {
namespace {

/// One round of the workflow, as the saved configuration has it: [train, 1] or {phase, iters}.
struct Round {
    int64_t epochs = 0;      // of training
    int64_t iterations = 0;  // of training, where all of its entries say how many
    bool by_iterations = false;
    int64_t times = 0;  // that the phase in question ends

    Round(const Node& config, Phase phase) {
        const Node* workflow = config.find("workflow");
        if (!workflow || !workflow->is_list()) {
            epochs = times = 1;
            return;
        }
        for (const Node& entry : workflow->items()) {
            const bool is_pair = entry.is_list() && entry.items().size() == 2;
            const Node* name = is_pair ? &entry.items()[0] : entry.find("phase");
            const Node* iters = is_pair ? nullptr : entry.find("iters");
            const int64_t repeats =
                is_pair && entry.items()[1].is_int() ? entry.items()[1].as_int() : 1;
            if (!name || !name->is_string()) continue;
            if (name->as_string() == phase_name(phase)) times += repeats;
            if (name->as_string() != phase_name(Phase::train)) continue;
            by_iterations = by_iterations || iters;
            if (iters && iters->is_int()) iterations += iters->as_int();
            epochs += repeats;
            has_epochs_ = has_epochs_ || !iters;
        }
    }
    bool knows_iterations() const { return by_iterations && !has_epochs_ && iterations > 0; }
    /// What a round adds to the number of epochs: by iterations it counts as one.
    int64_t counts() const { return by_iterations ? 1 : std::max<int64_t>(1, epochs); }

  private:
    bool has_epochs_ = false;
};

bool has_value(const Node& config, std::initializer_list<const char*> path) {
    const Node* node = &config;
    for (const char* key : path)
        if (!(node = node->find(key))) return false;
    return !node->is_null();
}

int64_t divided_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

std::optional<int64_t> most_epochs(const Run& run) {
    const Progress& progress = run.progress();
    if (progress.total_epochs > 0) return progress.total_epochs;
    const Node& config = run.config();
    const Round round(config, Phase::train);
    if (round.knows_iterations()) return progress.total_train_iters / round.iterations;
    const Dataset* data = run.dataset(Phase::train);
    const int64_t batch = run.global_batch_size();
    if (round.by_iterations || !data || batch < 1 || has_value(config, {"overfit_batches"}) ||
        has_value(config, {"data", "train_dataloader", "sampler"}))
        return std::nullopt;
    // The last batch of an epoch may be dropped.
    return progress.total_train_iters / std::max<int64_t>(1, data->size() / batch);
}

std::optional<int64_t> most_evaluations(const Run& run, Phase phase) {
    const std::optional<int64_t> epochs = most_epochs(run);
    if (!epochs) return std::nullopt;
    const Round round(run.config(), phase);
    // A run that ends by iterations may end in the middle of a round.
    const int64_t begun = *epochs + (run.progress().total_epochs > 0 ? 0 : 1);
    int64_t rounds = divided_up(begun, round.counts());
    const Node* interval = run.config().find("val_interval");
    if (phase == Phase::val && interval && interval->is_int() && round.counts() == 1)
        rounds = divided_up(rounds, std::max<int64_t>(1, interval->as_int()));
    return rounds * round.times;
}

std::string evaluations_in_words(int64_t count, Phase phase) {
    return concat("at most ", count, count == 1 ? " evaluation of " : " evaluations of ",
                  phase_name(phase));
}

void warn_of_no_effect(Run& run, const Place& place, const std::string& why) {
    if (!run.is_main() || run.dry_run()) return;
    log_warning(place.str().empty() ? "" : place.str() + ": ", why);
}

}  // namespace ailab
