#include "parameters.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace ailab {
namespace {

/// The bytes from the first to the last element of a tensor.
struct Span {
    const NamedParameter* parameter = nullptr;
    const char* begin = nullptr;
    const char* end = nullptr;
};

std::optional<Span> span_of(const NamedParameter& parameter) {
    const at::Tensor& tensor = parameter.tensor;
    if (tensor.layout() != at::kStrided || tensor.is_meta() || tensor.numel() == 0) return {};
    int64_t last = 0;  // strides are never negative
    for (int64_t d = 0; d < tensor.dim(); ++d) last += (tensor.size(d) - 1) * tensor.stride(d);
    const auto* begin = static_cast<const char*>(tensor.const_data_ptr());
    return Span{&parameter, begin, begin + (last + 1) * int64_t(tensor.element_size())};
}

/// Which of the bytes from `begin` to `end` belong to an element of the tensor.
at::Tensor bytes_of(const Span& span, const char* begin, const char* end) {
    const at::Tensor& tensor = span.parameter->tensor;
    const int64_t size = tensor.element_size();
    at::Tensor bytes = at::zeros({end - begin}, at::kBool);
    std::vector<int64_t> sizes = tensor.sizes().vec(), strides = tensor.strides().vec();
    for (size_t d = 0; d < sizes.size(); ++d) {
        if (strides[d] == 0) sizes[d] = 1;  // expanded: one element many times
        strides[d] *= size;
    }
    sizes.push_back(size);
    strides.push_back(1);
    bytes.as_strided(sizes, strides, span.begin - begin).fill_(true);
    return bytes;
}

/// Of spans that overlap. Two views with gaps (columns of one matrix) may yet lie beside each
/// other.
bool share_elements(const Span& a, const Span& b) {
    if (a.parameter->tensor.is_non_overlapping_and_dense() &&
        b.parameter->tensor.is_non_overlapping_and_dense())
        return true;
    const char* begin = std::min(a.begin, b.begin);
    const char* end = std::max(a.end, b.end);
    return bytes_of(a, begin, end).logical_and_(bytes_of(b, begin, end)).any().item<bool>();
}

bool is_expanded(const at::Tensor& tensor) {
    if (tensor.layout() != at::kStrided || tensor.numel() == 0) return false;
    for (int64_t d = 0; d < tensor.dim(); ++d)
        if (tensor.stride(d) == 0 && tensor.size(d) > 1) return true;
    return false;
}

}  // namespace

std::vector<NamedParameter> by_identity(
    const std::vector<std::pair<std::string, at::Tensor>>& named) {
    std::vector<NamedParameter> parameters;
    std::map<const c10::TensorImpl*, size_t> known;
    for (const auto& [name, tensor] : named) {
        const auto [at, is_new] = known.emplace(tensor.unsafeGetTensorImpl(), parameters.size());
        if (is_new)
            parameters.push_back({name, tensor});
        else if (parameters[at->second].name != name)
            parameters[at->second].aliases.push_back(name);
    }
    return parameters;
}

std::vector<NamedParameter> parameters_of(const torch::nn::Module& module,
                                          const std::string& prefix) {
    std::vector<std::pair<std::string, at::Tensor>> named;
    for (const auto& item : module.named_parameters())
        named.emplace_back(prefix + item.key(), item.value());
    return by_identity(named);
}

std::vector<std::string> names_of(const NamedParameter& parameter) {
    std::vector<std::string> names = {parameter.name};
    names.insert(names.end(), parameter.aliases.begin(), parameter.aliases.end());
    return names;
}

void check_shared_memory(const std::vector<NamedParameter>& parameters, const Place& place,
                         Problems& problems) {
    for (const NamedParameter& parameter : parameters)
        if (is_expanded(parameter.tensor))
            problems.add(place, concat("the parameter \"", parameter.name,
                                       "\" is expanded: several of its elements are one in memory. "
                                       "Give it its own copy (clone())"));
    std::vector<Span> spans;
    for (const NamedParameter& parameter : parameters)
        if (const std::optional<Span> span = span_of(parameter)) spans.push_back(*span);
    std::stable_sort(spans.begin(), spans.end(),
                     [](const Span& a, const Span& b) { return a.begin < b.begin; });
    for (size_t i = 0; i < spans.size(); ++i)
        for (size_t k = i + 1; k < spans.size() && spans[k].begin < spans[i].end; ++k) {
            const NamedParameter& a = *spans[i].parameter;
            const NamedParameter& b = *spans[k].parameter;
            if (!a.tensor.requires_grad() && !b.tensor.requires_grad()) continue;
            if (!share_elements(spans[i], spans[k])) continue;
            problems.add(place, concat("the parameters \"", a.name, "\" and \"", b.name,
                                       "\" are two tensors in the same memory: a step would change "
                                       "both, twice. Register one tensor under both names, or give "
                                       "each its own copy (clone())"));
        }
}

State with_owners(const State& state, const std::vector<NamedParameter>& parameters,
                  std::vector<std::string>& told) {
    State result = state;
    for (const NamedParameter& parameter : parameters) {
        if (parameter.aliases.empty()) continue;
        std::set<std::string> merged;
        for (const std::string& alias : parameter.aliases) {
            for (const auto& [key, tensor] : state.tensors) {
                const size_t kind = key.size() - std::min(key.size(), alias.size());
                if (kind == 0 || key[kind - 1] != '/' || !key.ends_with(alias)) continue;
                const std::string owners = key.substr(0, kind) + parameter.name;
                if (!result.tensors.emplace(owners, tensor).second) merged.insert(alias);
                result.tensors.erase(key);
            }
        }
        if (!merged.empty())
            told.push_back(concat("\"", parameter.name, "\" is one parameter with ",
                                  join(std::vector<std::string>(merged.begin(), merged.end())),
                                  "; of its ", merged.size() + 1,
                                  " states of the optimizer the first is taken"));
    }
    return result;
}

}  // namespace ailab
