#include "label_names.hpp"

#include <algorithm>
#include <set>

namespace ailab {

namespace {

bool is_number(const std::string& text) {
    const size_t digits = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
    return text.size() > digits && std::all_of(text.begin() + int64_t(digits), text.end(),
                                               [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

LabelNames::LabelNames(std::vector<std::string> names)
    : names_(std::move(names)), given_(!names_.empty()) {
    std::set<std::string> seen;
    for (const std::string& name : names_)
        if (!seen.insert(name).second)
            throw ConfigError(concat("classes names \"", name, "\" twice"));
}

int32_t LabelNames::learn(const Record& record, const std::string& key) {
    const std::string text = record.text(key);
    const auto known = learned_.find(text);
    if (known != learned_.end()) return known->second;
    int64_t label = 0;  // of names, end_learning() fills it in
    if (given_)
        label = given_label(record, text, key);
    else if (is_number(text))
        label = record.integer(key);
    else
        numeric_ = false;
    const auto id = int32_t(labels_.size());
    labels_.push_back(label);
    learned_.emplace(text, id);
    return id;
}

int64_t LabelNames::given_label(const Record& record, const std::string& text,
                                const std::string& key) const {
    const auto found = std::find(names_.begin(), names_.end(), text);
    if (found != names_.end()) return found - names_.begin();
    if (is_number(text)) {
        const int64_t label = record.integer(key);
        if (is_class(label, int64_t(names_.size()))) return label;
        refuse(label, int64_t(names_.size()), record);
    }
    const std::string near = nearest_name(text, names_);
    record.fail(concat("unknown class \"", text, "\"",
                       near.empty() ? "" : concat("; did you mean \"", near, "\"?"),
                       " Classes: ", join(names_)));
}

void LabelNames::end_learning() {
    if (given_ || numeric_) return;
    for (const auto& [name, id] : learned_) {
        labels_[size_t(id)] = int64_t(names_.size());
        names_.push_back(name);
    }
}

bool LabelNames::is_class(int64_t label, int64_t num_classes) {
    return label >= 0 && (num_classes == 0 || label < num_classes);
}

void LabelNames::refuse(int64_t label, int64_t num_classes, const Record& record) {
    if (label < 0) record.fail(concat("the label ", label, " is negative"));
    record.fail(concat("label ", label, " is outside of the classes 0 … ", num_classes - 1));
}

}  // namespace ailab
