#include "ailab/prediction.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ailab/support/number_text.hpp"
#include "config/formats.hpp"

namespace ailab {
namespace {

std::string json_text(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number_of(double value, int digits) {
    if (!std::isfinite(value)) return "null";
    return digits > 0 ? general_text(value, digits) : nlohmann::json(value).dump();
}

/// Contiguous on the CPU, as float64 or int64.
at::Tensor plain_numbers(at::Tensor tensor) {
    tensor = tensor.detach().to(at::kCPU);
    if (tensor.is_complex()) tensor = at::view_as_real(tensor.resolve_conj());
    return tensor.to(tensor.is_floating_point() ? at::kDouble : at::kLong).contiguous();
}

std::vector<std::string> texts_of(const at::Tensor& numbers, int digits) {
    std::vector<std::string> texts;
    texts.reserve(size_t(numbers.numel()));
    if (numbers.is_floating_point()) {
        const auto* value = numbers.const_data_ptr<double>();
        for (int64_t i = 0; i < numbers.numel(); ++i) texts.push_back(number_of(value[i], digits));
    } else {
        const auto* value = numbers.const_data_ptr<int64_t>();
        for (int64_t i = 0; i < numbers.numel(); ++i) texts.push_back(std::to_string(value[i]));
    }
    return texts;
}

/// A list in lists, by the sizes from `dim` on.
void append_nested(std::string& line, at::IntArrayRef sizes, const std::string*& text) {
    if (sizes.empty()) {
        line += *text++;
        return;
    }
    line += '[';
    for (int64_t i = 0; i < sizes[0]; ++i) {
        if (i > 0) line += ',';
        append_nested(line, sizes.slice(1), text);
    }
    line += ']';
}

std::string json_value(const PredictionValue& value, const LineStyle& style) {
    if (const auto* text = std::get_if<std::string>(&value)) return json_text(*text);
    if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
    if (const auto* number = std::get_if<double>(&value)) return number_of(*number, style.digits);
    if (const auto* node = std::get_if<Node>(&value)) return to_json(*node);
    const at::Tensor numbers = plain_numbers(std::get<at::Tensor>(value));
    const std::vector<std::string> texts = texts_of(numbers, style.digits);
    const std::string* text = texts.data();
    std::string list;
    const int64_t count = numbers.numel();
    append_nested(list, style.flat ? at::IntArrayRef(count) : numbers.sizes(), text);
    return list;
}

}  // namespace

PredictionLine& PredictionLine::add(const std::string& name, const PredictionValue& value) {
    if (line_.size() > 1) line_ += ',';
    line_ += json_text(name);
    line_ += ':';
    line_ += json_value(value, style_);
    return *this;
}

PredictionLine& PredictionLine::add(const PredictionFields& fields) {
    for (const auto& [name, value] : fields) add(name, value);
    return *this;
}

std::vector<std::string> number_texts(const at::Tensor& tensor, int digits) {
    return texts_of(plain_numbers(tensor), digits);
}

}  // namespace ailab
