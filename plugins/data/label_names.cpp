#include "label_names.hpp"

#include <algorithm>

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
    for (size_t i = 0; i < names_.size(); ++i)
        if (!numbers_.emplace(names_[i], int64_t(i)).second)
            throw ConfigError(concat("classes names \"", names_[i], "\" twice"));
}

void LabelNames::learn(const Record& record, const std::string& key) {
    if (given_) return;
    const std::string text = record.text(key);
    if (!is_number(text)) numeric_ = false;
    numbers_.emplace(text, 0);
}

void LabelNames::end_learning() {
    if (given_) return;
    if (numeric_) {
        numbers_.clear();
        return;
    }
    for (auto& [name, number] : numbers_) {
        number = int64_t(names_.size());
        names_.push_back(name);
    }
}

int64_t LabelNames::label(const Record& record, const std::string& key) const {
    if (names_.empty()) {
        const int64_t label = record.integer(key);
        if (label < 0) record.fail(concat("the label ", label, " is negative"));
        return label;
    }
    const std::string text = record.text(key);
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    if (given_ && is_number(text)) {
        const int64_t label = record.integer(key);
        if (label >= 0 && label < int64_t(names_.size())) return label;
        record.fail(concat("label ", label, " is outside of the classes 0 … ", names_.size() - 1));
    }
    const std::string near = nearest_name(text, names_);
    record.fail(concat("unknown class \"", text, "\"",
                       near.empty() ? "" : concat("; did you mean \"", near, "\"?"),
                       " Classes: ", join(names_)));
}

}  // namespace ailab
