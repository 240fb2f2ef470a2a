#include "config_changes.hpp"

#include <algorithm>
#include <array>

#include "ailab/error.hpp"
#include "config/scalar.hpp"

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
    Rule{"task", Effect::none},
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

bool same(const Node& a, const Node& b) {
    if (a.is_number() && b.is_number()) return a.as_float() == b.as_float();
    return a.flow() == b.flow();
}

bool is_map(const Node* node) {
    return node && node->is_map();
}

void compare(const std::string& key, const Node* before, const Node* now, const Difference& tell) {
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
                    is_map(now) ? now->find(name) : nullptr, tell);
        return;
    }
    const Node null;
    if (!same(before ? *before : null, now ? *now : null)) tell(key, before, now);
}

bool is_path(const Node& node) {
    return node.is_string() && node.as_string().find('/') != std::string::npos;
}

/// Whether all values that differ between two lists or maps of one form do so as `allowed` says; a
/// module of another type is another form.
bool differ_only(const Node& a, const Node& b,
                 const std::function<bool(const Node&, const Node&)>& allowed) {
    if (a.is_list() && b.is_list() && a.items().size() == b.items().size()) {
        for (size_t i = 0; i < a.items().size(); ++i)
            if (!differ_only(a.items()[i], b.items()[i], allowed)) return false;
        return true;
    }
    if (is_map(&a) && is_map(&b) && a.members().size() == b.members().size()) {
        for (const Member& member : a.members()) {
            const Node* other = b.find(member.key);
            const bool is_type = member.key == "type";
            if (!other || (is_type ? !same(member.value, *other)
                                   : !differ_only(member.value, *other, allowed)))
                return false;
        }
        return true;
    }
    return same(a, b) || allowed(a, b);
}

bool are_paths(const Node& a, const Node& b) {
    return is_path(a) && is_path(b);
}

/// Written with the same variables, which stand for another place now.
bool are_moved(const Node& before, const Node& now) {
    return are_paths(before, now) && holds_variable(now.written) && before.written == now.written;
}

/// Keys whose values may be places of data.
bool may_be_place(const std::string& key) {
    return key.starts_with("data.") && !key.ends_with(".type");
}

/// Whether the map around a key is there in a tree.
bool has_around(const Node& tree, const std::string& key) {
    const Node* node = &tree;
    size_t from = 0;
    for (size_t dot; node && (dot = key.find('.', from)) != std::string::npos; from = dot + 1)
        node = node->find(key.substr(from, dot - from));
    return is_map(node);
}

}  // namespace

std::string ConfigChange::str() const {
    return concat(key, " was ", before, " and is ", now);
}

void for_each_difference(const Node& before, const Node& now, const Difference& tell) {
    compare("", &before, &now, tell);
}

bool is_other_place(const std::string& key, const Node& a, const Node& b) {
    return may_be_place(key) && differ_only(a, b, are_paths);
}

std::string shown_value(const Node* node) {
    if (!node || node->is_null()) return "not given";
    const bool may_be_secret =
        node->is_string() && !is_path(*node) && node->written.find("${env:") != std::string::npos;
    return may_be_secret ? node->written : node->flow();
}

std::vector<ConfigChange> compare_configs(const Node& before, const Node& now) {
    std::vector<ConfigChange> changes;
    for_each_difference(before, now,
                        [&](const std::string& key, const Node* earlier, const Node* present) {
                            const Effect effect = effect_of(key);
                            if (effect == Effect::none) return;
                            ConfigChange change{key, shown_value(earlier), shown_value(present),
                                                effect == Effect::refused, kept_of(key)};
                            change.option_came = !earlier && has_around(before, key);
                            change.option_went = !present && has_around(now, key);
                            change.moved = may_be_place(key) && earlier && present &&
                                           differ_only(*earlier, *present, are_moved);
                            changes.push_back(std::move(change));
                        });
    return changes;
}

}  // namespace ailab
