#pragma once
// What the values of a pickle stand for in Python: mappings, numbers, names of classes.
#include <optional>
#include <string>
#include <string_view>

#include "ailab/node.hpp"
#include "pickle.hpp"

namespace ailab {

/// The name of a class or function, or "".
std::string_view global_name(const PickleValue& value);
/// The call of the function `name`, or nullptr.
const PickleCall* call_of(const PickleValue& value, std::string_view name);

/// A dict, an OrderedDict, defaultdict or Counter, or an object of any class with items of a dict.
bool is_mapping(const PickleValue& value);
/// Its keys and values; of a key that is there twice the last is Python's. Empty for other values.
PickleEntries entries_of(const PickleValue& value);
/// The value of a text key, or nullptr, also when this is no mapping.
PickleRef find(const PickleValue& mapping, std::string_view key);

/// The items of a list, tuple, set or torch.Size, or nullptr.
const std::vector<PickleRef>* items_of(const PickleValue& value);

/// A whole number, of Python or of numpy.
std::optional<int64_t> as_integer(const PickleValue& value);
/// A whole or real number, of Python or of numpy.
std::optional<double> as_number(const PickleValue& value);
/// As a Node: None, bool, numbers, short texts, and short lists of these; nothing for all other
/// values.
std::optional<Node> as_plain(const PickleValue& value);

/// For a terminal: control characters, which a name in a file may have, as \xNN, and no more of it
/// than can be read.
std::string printable(const std::string& text);
/// "a dict", "the number 3", "an object of mmcv.Config": for messages.
std::string describe(const PickleValue& value);

}  // namespace ailab
