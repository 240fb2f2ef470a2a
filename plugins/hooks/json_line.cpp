#include "json_line.hpp"

#include "ailab/support/json_text.hpp"

namespace ailab {

void JsonLine::key(const std::string& key) {
    if (!text_.empty()) text_ += ", ";
    text_ += json_text(key) + ": ";
}

JsonLine& JsonLine::add(const std::string& name, const std::string& text) {
    key(name);
    text_ += json_text(text);
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, int64_t number) {
    key(name);
    text_ += std::to_string(number);
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, double number) {
    key(name);
    text_ += json_number(number, NotFinite::null);
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, const std::vector<int64_t>& numbers) {
    key(name);
    text_ += '[';
    for (size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0) text_ += ", ";
        text_ += std::to_string(numbers[i]);
    }
    text_ += ']';
    return *this;
}

}  // namespace ailab
