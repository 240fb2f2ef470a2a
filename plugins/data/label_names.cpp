#include "label_names.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "ailab/support/utf8.hpp"

namespace ailab {

namespace {

constexpr size_t most_told = 10;

/// What pandas.read_csv takes for a missing value.
constexpr const char* missing_words[] = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null"};

bool is_missing(const std::string& text) {
    return std::find(std::begin(missing_words), std::end(missing_words), text) !=
           std::end(missing_words);
}

/// Without the blanks and byte order mark around it.
std::string trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\v\f", mark = "\xef\xbb\xbf";
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
    const size_t first = text.find_first_not_of(blanks);
    if (first == text.npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

struct Number {
    bool is_one = false;
    bool is_whole = false;
    bool fits = true;  // 64 bits
    int64_t value = 0;
};

Number to_number(double value) {
    constexpr double limit = 9223372036854775808.0;  // 2^63
    Number number{.is_one = true, .is_whole = value == std::floor(value)};
    number.fits = value >= -limit && value < limit;
    if (number.is_whole && number.fits) number.value = int64_t(value);
    return number;
}

/// [-+]? ( digits | digits with a decimal point ) exponent? Words like inf and 0x10 are none.
Number to_number(const std::string& text) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
    if (sign == text.size() || !(is_digit(text[sign]) || text[sign] == '.')) return {};
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);  // from_chars knows '-'
    const char* end = text.data() + text.size();
    int64_t whole = 0;
    if (const auto [stop, status] = std::from_chars(begin, end, whole); stop == end)
        return {true, true, status == std::errc(), whole};
    double value = 0;
    const auto [stop, status] = std::from_chars(begin, end, value);
    if (stop != end) return {};
    if (status != std::errc()) return {.is_one = true, .is_whole = true, .fits = false};
    return to_number(value);
}

Number to_number(const Node& node, const std::string& text) {
    if (node.is_int()) return {true, true, true, node.as_int()};
    if (node.is_bool()) return {true, true, true, int64_t(node.as_bool())};
    if (node.is_float()) return to_number(node.as_float());
    return node.is_string() ? to_number(text) : Number{};
}

std::string samples(int64_t count) {
    return count == 1 ? "" : concat(" (", count, " samples)");
}

}  // namespace

int64_t renumbered(int64_t label, const std::vector<int64_t>& places) {
    return label >= 0 && label < int64_t(places.size()) ? places[size_t(label)] : label;
}

std::optional<std::vector<int64_t>> places_among(const std::vector<std::string>& some,
                                                 const std::vector<std::string>& all) {
    std::unordered_map<std::string, int64_t> numbers;
    for (size_t i = 0; i < all.size(); ++i) numbers.emplace(all[i], int64_t(i));
    std::vector<int64_t> places;
    for (const std::string& name : some) {
        const auto found = numbers.find(name);
        if (found == numbers.end()) return std::nullopt;
        places.push_back(found->second);
    }
    return places;
}

LabelNames::LabelNames(std::vector<std::string> names)
    : names_(std::move(names)), given_(!names_.empty()) {
    std::unordered_map<std::string, bool> seen;
    for (const std::string& name : names_) {
        if (!seen.emplace(name, true).second)
            throw ConfigError(concat("classes names \"", name, "\" twice"));
        names_are_numbers_ = names_are_numbers_ || to_number(name).is_one;
    }
}

int32_t LabelNames::learn(const Record& record, const std::string& key) {
    const Node& node = record.node(key);
    // One label may be written in several ways: 3, 3.0, " 3".
    if (node.is_string()) {
        if (const auto known = written_.find(node.as_string()); known != written_.end()) {
            ++learned_[size_t(known->second)].count;
            return known->second;
        }
    }
    Learned label = read(record, node, key);
    const auto [found, is_new] = ids_.emplace(label.text, int32_t(learned_.size()));
    const int32_t id = found->second;
    if (is_new) {
        label.first = record.values().place;
        learned_.push_back(std::move(label));
    }
    if (node.is_string()) written_.emplace(node.as_string(), id);
    ++learned_[size_t(id)].count;
    return id;
}

LabelNames::Learned LabelNames::read(const Record& record, const Node& node,
                                     const std::string& key) const {
    const bool missing_number = node.is_float() && std::isnan(node.as_float());
    const std::string written = node.is_null() || missing_number ? "" : record.text(key);
    if (valid_utf8(written) != written)
        record.fail(concat("the label \"", valid_utf8(written),
                           "\" is no text in UTF-8; save the file as UTF-8"));
    const std::string text = trimmed(written);
    const Number number = to_number(node, text);
    if (given_) {
        if (const auto exact = given_class(written)) return {names_[size_t(*exact)], true, *exact};
        if (const auto close = given_class(text)) return {names_[size_t(*close)], true, *close};
    }
    if (is_missing(text))
        record.fail(concat("the label is missing: \"", key, "\" is ",
                           node.is_null()    ? "null"
                           : missing_number  ? "NaN"
                           : written.empty() ? "empty"
                                             : concat("\"", written,
                                                      "\", which stands for no value, as in "
                                                      "pandas; if it is a class, name it in "
                                                      "classes")));
    if (number.is_one && !number.fits)
        record.fail(concat("the label ", text, " does not fit 64 bits"));
    if (number.is_one && !number.is_whole)
        record.fail(concat("the label ", text,
                           " is no whole number. A class is one, or a name; classes can give "
                           "numbers like this as names"));
    if (given_)
        return given_label(record, text,
                           number.is_one ? std::optional(number.value) : std::nullopt);
    if (number.is_one) return {std::to_string(number.value), false, number.value};
    return {text, true};
}

std::optional<int64_t> LabelNames::given_class(const std::string& text) const {
    const auto found = std::find(names_.begin(), names_.end(), text);
    return found == names_.end() ? std::nullopt : std::optional(int64_t(found - names_.begin()));
}

/// A label that is not written as its class is named.
LabelNames::Learned LabelNames::given_label(const Record& record, const std::string& text,
                                            std::optional<int64_t> number) const {
    const auto count = int64_t(names_.size());
    if (number) {
        if (const auto named = given_class(std::to_string(*number)))
            return {names_[size_t(*named)], true, *named};
        if (*number < 0) return {std::to_string(*number), false, *number};
        // Beyond the list it may be what the loss ignores: whoever knows that looks at it.
        if (*number >= count) return {std::to_string(*number), false, *number};
        // Where names are numbers themselves, another number is no place in their list.
        if (!names_are_numbers_) return {names_[size_t(*number)], true, *number};
    }
    const std::string near = nearest_name(text, names_);
    record.fail(concat("unknown class \"", text, "\"",
                       near.empty() ? "" : concat("; did you mean \"", near, "\"?"),
                       " Classes: ", join(names_)));
}

void LabelNames::end_learning(std::optional<int64_t> num_classes) {
    num_classes_ = given_ ? int64_t(names_.size()) : num_classes;
    Problems problems;
    if (!given_) {
        refuse_mixture(problems);
        problems.check();
        number_names();
    }
    if (num_classes_) return;
    constexpr int64_t largest = std::numeric_limits<int64_t>::max() - 1;
    for (const Learned& learned : learned_)
        if (learned.label >= 0)
            num_classes_ = std::max(num_classes_.value_or(0), std::min(learned.label, largest) + 1);
}

/// Text is a class where no label is a number; in the other case it is a mistake of the file.
void LabelNames::refuse_mixture(Problems& problems) const {
    int64_t names = 0, numbers = 0;
    const Learned *first_name = nullptr, *first_number = nullptr;
    for (const Learned& learned : learned_) {
        (learned.is_name ? names : numbers) += learned.count;
        const Learned*& first = learned.is_name ? first_name : first_number;
        if (!first) first = &learned;
    }
    if (names == 0 || numbers == 0) return;
    // The rarer ones are told.
    const bool tell_names = names <= numbers;
    const Learned& other = tell_names ? *first_number : *first_name;
    for (const Learned& learned : learned_) {
        if (learned.is_name != tell_names || problems.size() >= most_told) continue;
        problems.add(learned.first,
                     concat("the label \"", learned.text, "\"", samples(learned.count),
                            tell_names ? " is no number, and others are ("
                                       : " is a number, and "
                                         "others are names (",
                            other.text, " at ", other.first.str(),
                            "). Correct it, or name all classes in classes"));
    }
}

void LabelNames::number_names() {
    if (learned_.empty() || !learned_[0].is_name) return;
    for (const Learned& learned : learned_) names_.push_back(learned.text);
    std::sort(names_.begin(), names_.end());
    for (Learned& learned : learned_)
        learned.label =
            std::lower_bound(names_.begin(), names_.end(), learned.text) - names_.begin();
}

std::optional<std::vector<int64_t>> LabelNames::number_as(const std::vector<std::string>& names) {
    auto places = places_among(names_, names);
    if (names_.empty() || !places) return std::nullopt;
    for (Learned& learned : learned_) learned.label = renumbered(learned.label, *places);
    names_ = names;
    num_classes_ = int64_t(names.size());
    return places;
}

}  // namespace ailab
