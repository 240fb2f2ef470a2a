#include "pickle_values.hpp"

#include <c10/util/Half.h>

#include <cstdio>
#include <cstring>
#include <limits>

namespace ailab {
namespace {

// What as_plain() copies.
constexpr size_t max_list = 16;
constexpr size_t max_text = 4096;
constexpr size_t max_scalar = 16;  // bytes
constexpr size_t max_shown = 100;  // of a name or text
constexpr size_t max_message = 4000;

/// The bytes of a number; protocol 2 spells them as a text of the characters 0 to 255, encoded.
std::optional<std::string> as_bytes(const PickleValue& value) {
    const auto take = [](const std::string& bytes) {
        return bytes.size() <= max_scalar ? std::optional(bytes) : std::nullopt;
    };
    if (const auto* bytes = value.get<PickleBytes>()) return take(bytes->bytes);
    if (const auto* text = value.get<std::string>()) return take(*text);  // Python 2
    const PickleCall* call = call_of(value, "_codecs.encode");
    const auto* arguments = call ? items_of(*call->arguments) : nullptr;
    if (!arguments || arguments->size() != 2) return std::nullopt;
    const auto* text = (*arguments)[0]->get<std::string>();
    const auto* encoding = (*arguments)[1]->get<std::string>();
    if (!text || !encoding || *encoding != "latin1" || text->size() > 2 * max_scalar)
        return std::nullopt;
    std::string bytes;
    for (size_t i = 0; i < text->size(); ++i) {
        const auto c = uint8_t((*text)[i]);
        if (c < 0x80) {
            bytes += char(c);
            continue;
        }
        // U+0080 to U+00FF take two bytes in UTF-8.
        const auto next = i + 1 < text->size() ? uint8_t((*text)[i + 1]) : uint8_t(0);
        if ((c != 0xC2 && c != 0xC3) || (next & 0xC0) != 0x80) return std::nullopt;
        bytes += char((c & 0x03) << 6 | (next & 0x3F));
        ++i;
    }
    return bytes;
}

template <class T>
std::optional<Node> number(const std::string& bytes) {
    T value;
    if (bytes.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, bytes.data(), sizeof value);
    if constexpr (std::is_same_v<T, uint64_t>)
        if (value > uint64_t(std::numeric_limits<int64_t>::max())) return Node(double(value));
    if constexpr (std::is_integral_v<T>) return Node(int64_t(value));
    return Node(double(value));
}

/// A numpy scalar: scalar(dtype("f8", …) with the state (3, "<", …), the bytes).
std::optional<Node> numpy_scalar(const PickleValue& value) {
    const PickleCall* call = call_of(value, "numpy.core.multiarray.scalar");
    if (!call) call = call_of(value, "numpy._core.multiarray.scalar");
    const auto* arguments = call ? items_of(*call->arguments) : nullptr;
    if (!arguments || arguments->size() != 2) return std::nullopt;
    const PickleCall* dtype = call_of(*(*arguments)[0], "numpy.dtype");
    const auto* dtype_arguments = dtype ? items_of(*dtype->arguments) : nullptr;
    if (!dtype_arguments || dtype_arguments->empty()) return std::nullopt;
    const auto* name = dtype_arguments->front()->get<std::string>();
    const auto* state = dtype->state ? items_of(*dtype->state) : nullptr;
    if (state && state->size() > 1) {
        const auto* order = (*state)[1]->get<std::string>();
        if (order && *order == ">") return std::nullopt;
    }
    const std::optional<std::string> bytes = as_bytes(*(*arguments)[1]);
    if (!name || !bytes) return std::nullopt;
    if (*name == "b1" && bytes->size() == 1) return Node(bytes->front() != 0);
    if (*name == "f8") return number<double>(*bytes);
    if (*name == "f4") return number<float>(*bytes);
    if (*name == "f2") return number<c10::Half>(*bytes);
    if (*name == "i8") return number<int64_t>(*bytes);
    if (*name == "i4") return number<int32_t>(*bytes);
    if (*name == "i2") return number<int16_t>(*bytes);
    if (*name == "i1") return number<int8_t>(*bytes);
    if (*name == "u8") return number<uint64_t>(*bytes);
    if (*name == "u4") return number<uint32_t>(*bytes);
    if (*name == "u2") return number<uint16_t>(*bytes);
    if (*name == "u1") return number<uint8_t>(*bytes);
    return std::nullopt;
}

/// A number or bool.
std::optional<Node> as_value(const PickleValue& value) {
    if (const auto* flag = value.get<bool>()) return Node(*flag);
    if (const auto* whole = value.get<int64_t>()) return Node(*whole);
    if (const auto* real = value.get<double>()) return Node(*real);
    return numpy_scalar(value);
}

std::optional<Node> as_scalar(const PickleValue& value) {
    if (value.get<PickleNone>()) return Node();
    const auto* text = value.get<std::string>();
    if (text && text->size() <= max_text) return Node::string(*text);
    return as_value(value);
}

bool is_standard_mapping(const PickleCall& call) {
    const std::string_view name = global_name(*call.function);
    return name == "collections.OrderedDict" || name == "collections.defaultdict" ||
           name == "collections.Counter";
}

}  // namespace

std::string_view global_name(const PickleValue& value) {
    if (const auto* global = value.get<PickleGlobal>()) return global->name;
    // Files from before PyTorch 1.6 name a class of a module by ("module", class, its source, …).
    const auto* outside = value.get<PicklePersistent>();
    const auto* id = outside ? outside->id->get<PickleList>() : nullptr;
    if (!id || id->items.size() < 2) return "";
    const auto* kind = id->items[0]->get<std::string>();
    const auto* global = id->items[1]->get<PickleGlobal>();
    return kind && *kind == "module" && global ? std::string_view(global->name) : "";
}

const PickleCall* call_of(const PickleValue& value, std::string_view name) {
    const PickleCall* call = value.call();
    return call && global_name(*call->function) == name ? call : nullptr;
}

bool is_mapping(const PickleValue& value) {
    if (value.get<PickleDict>()) return true;
    const PickleCall* call = value.call();
    return call && (is_standard_mapping(*call) || !call->entries.empty());
}

PickleEntries entries_of(const PickleValue& value) {
    if (const auto* dict = value.get<PickleDict>()) return dict->entries;
    const PickleCall* call = value.call();
    if (!call) return {};
    if (!call->entries.empty() || !is_standard_mapping(*call)) return call->entries;
    // Counter({…}), and Python 2's OrderedDict([[key, value], …]).
    const auto* arguments = items_of(*call->arguments);
    if (!arguments || arguments->empty()) return {};
    if (const auto* dict = arguments->back()->get<PickleDict>()) return dict->entries;
    PickleEntries entries;
    if (const auto* pairs = items_of(*arguments->back()))
        for (const PickleRef pair : *pairs)
            if (const auto* items = items_of(*pair); items && items->size() == 2)
                entries.emplace_back((*items)[0], (*items)[1]);
    return entries;
}

PickleRef find(const PickleValue& mapping, std::string_view key) {
    PickleRef found = nullptr;
    for (const auto& [name, value] : entries_of(mapping)) {
        const auto* text = name->get<std::string>();
        if (text && *text == key) found = value;
    }
    return found;
}

const std::vector<PickleRef>* items_of(const PickleValue& value) {
    if (const auto* list = value.get<PickleList>()) return &list->items;
    const PickleCall* size = call_of(value, "torch.Size");
    const auto* arguments = size ? size->arguments->get<PickleList>() : nullptr;
    if (!arguments || arguments->items.size() != 1) return nullptr;
    const auto* list = arguments->items[0]->get<PickleList>();
    return list ? &list->items : nullptr;
}

std::optional<int64_t> as_integer(const PickleValue& value) {
    const std::optional<Node> number = as_value(value);
    if (!number || !number->is_int()) return std::nullopt;
    return number->as_int();
}

std::optional<double> as_number(const PickleValue& value) {
    const std::optional<Node> number = as_value(value);
    if (!number || !number->is_number()) return std::nullopt;
    return number->as_float();
}

std::optional<Node> as_plain(const PickleValue& value) {
    if (std::optional<Node> scalar = as_scalar(value)) return scalar;
    const auto* items = items_of(value);
    if (!items || items->size() > max_list) return std::nullopt;
    Node list = Node::list();
    for (const PickleRef item : *items) {
        std::optional<Node> scalar = as_scalar(*item);
        if (!scalar) return std::nullopt;
        list.items().push_back(std::move(*scalar));
    }
    return list;
}

std::string printable(const std::string& text) {
    std::string shown;
    for (const char c : text) {
        if (shown.size() >= max_message) return shown + "…";
        if (uint8_t(c) >= 0x20 && c != 0x7f) {
            shown += c;
            continue;
        }
        char code[8];
        std::snprintf(code, sizeof code, "\\x%02x", unsigned(uint8_t(c)));
        shown += code;
    }
    return shown;
}

std::string describe(const PickleValue& value) {
    const auto name_of = [](const PickleValue& global) {
        return printable(std::string(global_name(global).substr(0, max_shown)));
    };
    if (const auto* text = value.get<std::string>())
        return printable(Node::string(text->substr(0, max_shown)).describe());
    if (const std::optional<Node> scalar = as_scalar(value)) return printable(scalar->describe());
    if (value.get<PickleBytes>()) return "bytes";
    if (value.get<PickleBigInt>()) return "a huge integer";
    if (value.get<PickleList>()) return "a list";
    if (value.get<PickleDict>()) return "a dict";
    if (value.get<PickleGlobal>()) return "the class " + name_of(value);
    if (value.get<PicklePersistent>()) return "a storage";
    const std::string name = name_of(*value.call()->function);
    return name.empty() ? "an object" : "an object of " + name;
}

}  // namespace ailab
