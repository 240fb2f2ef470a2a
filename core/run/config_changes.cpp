#include "config_changes.hpp"

#include <algorithm>
#include <array>

#include "ailab/error.hpp"

namespace ailab {

namespace {

enum class Effect { none, told, refused };

/// By the beginning of the key; the first that fits counts.
struct Rule {
    const char* prefix;
    Effect effect;
};
constexpr std::array rules = {
    Rule{"work_dir", Effect::none},
    Rule{"resume_from", Effect::none},
    Rule{"load_from", Effect::none},
    Rule{"plugins", Effect::none},
    Rule{"dist.", Effect::none},
    Rule{"runtime.dtype", Effect::refused},
    Rule{"runtime.", Effect::told},
    Rule{"seed", Effect::refused},
    Rule{"model.type", Effect::refused},
    Rule{"model.pretrained", Effect::none},
    Rule{"optimizer.type", Effect::refused},
    Rule{"loss.type", Effect::refused},
    Rule{"accumulative_counts", Effect::refused},
    Rule{"overfit_batches", Effect::refused},
    Rule{"workflow", Effect::refused},
    Rule{"data.train_dataloader.num_workers", Effect::none},
    Rule{"data.train_dataloader.prefetch_factor", Effect::none},
    Rule{"data.train_dataloader.pin_memory", Effect::none},
    Rule{"data.train_dataloader.persistent_workers", Effect::none},
    // The number of samples a step is compared by itself: it may be given in two ways.
    Rule{"data.train_dataloader.batch_size", Effect::none},
    Rule{"data.train_dataloader.global_batch_size", Effect::none},
    Rule{"data.train_dataloader.", Effect::refused},
    Rule{"data.train.", Effect::refused},
    Rule{"", Effect::told},
};

Effect effect_of(const std::string& key) {
    return std::find_if(rules.begin(), rules.end(),
                        [&](const Rule& rule) { return key.starts_with(rule.prefix); })
        ->effect;
}

/// `word` is the key's last part, or ends it: `adamw_lr` too.
struct KeptRule {
    const char* prefix;
    const char* word;
    Kept kept;
};
constexpr std::array kept_rules = {
    KeptRule{"optimizer.", "lr", Kept::learning_rate},
    KeptRule{"optimizer.", "weight_decay", Kept::value},
    KeptRule{"optimizer.", "momentum", Kept::value},
    KeptRule{"optimizer.", "betas", Kept::first_value},  // what is momentum there
    KeptRule{"paramwise_cfg.", "lr_mult", Kept::learning_rate},
    KeptRule{"paramwise_cfg.", "decay_mult", Kept::value},
};

Kept kept_of(const std::string& key) {
    const auto rule = std::find_if(kept_rules.begin(), kept_rules.end(), [&](const KeptRule& each) {
        return key.starts_with(each.prefix) &&
               (key.ends_with(concat('.', each.word)) || key.ends_with(concat('_', each.word)));
    });
    return rule == kept_rules.end() ? Kept::nothing : rule->kept;
}

std::string shown(const Node* node) {
    return !node || node->is_null() ? "not given" : node->flow();
}

bool same(const Node& a, const Node& b) {
    if (a.is_number() && b.is_number()) return a.as_float() == b.as_float();
    return a.flow() == b.flow();
}

void compare(const std::string& key, const Node* before, const Node* now,
             std::vector<ConfigChange>& changes) {
    const auto is_map = [](const Node* node) { return node && node->is_map(); };
    if (is_map(before) || is_map(now)) {
        std::vector<std::string> keys;
        for (const Node* node : {before, now})
            if (is_map(node))
                for (const Member& member : node->members())
                    if (std::find(keys.begin(), keys.end(), member.key) == keys.end())
                        keys.push_back(member.key);
        for (const std::string& name : keys)
            compare(key.empty() ? name : key + "." + name,
                    is_map(before) ? before->find(name) : nullptr,
                    is_map(now) ? now->find(name) : nullptr, changes);
        return;
    }
    const Node null;
    if (same(before ? *before : null, now ? *now : null)) return;
    const Effect effect = effect_of(key);
    if (effect == Effect::none) return;
    changes.push_back({key, shown(before), shown(now), effect == Effect::refused, kept_of(key)});
}

}  // namespace

std::string ConfigChange::str() const {
    return concat(key, " was ", before, " and is ", now);
}

std::vector<ConfigChange> compare_configs(const Node& before, const Node& now) {
    std::vector<ConfigChange> changes;
    compare("", &before, &now, changes);
    return changes;
}

}  // namespace ailab
