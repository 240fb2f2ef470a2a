#pragma once
// Python pickles read as data. A pickle is a program for a stack machine whose instructions can
// call any function of Python; here a call is only noted down, with its arguments: nothing is ever
// called, imported or made, and a class that nobody knows is no obstacle.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "files/byte_reader.hpp"

namespace ailab {

struct PickleValue;
/// Never null, but for the state of a PickleCall. Values may refer to each other in circles, and
/// one large value may stand in a million places: go no deeper than a known form goes, and do for
/// no value what costs more than its own place does.
using PickleRef = const PickleValue*;
using PickleEntries = std::vector<std::pair<PickleRef, PickleRef>>;

struct PickleNone {};
struct PickleBytes {
    std::string bytes;
};
/// An integer that int64_t cannot hold: two's complement, little-endian.
struct PickleBigInt {
    std::string bytes;
};
/// A list, tuple, set or frozenset.
struct PickleList {
    std::vector<PickleRef> items;
};
/// In the order of the file. A key that comes twice is there twice; Python keeps the last.
struct PickleDict {
    PickleEntries entries;
};
/// A function or class of Python.
struct PickleGlobal {
    std::string name;  // "collections.OrderedDict"
};
/// The call of a function or class that was not made, and what would then be put into the result.
struct PickleCall {
    PickleRef function;
    PickleRef arguments;
    PickleRef state = nullptr;
    std::vector<PickleRef> items;
    PickleEntries entries;
};
/// Something that lies outside of the pickle (in torch.save's files: a storage).
struct PicklePersistent {
    PickleRef id;
};

struct PickleValue {
    std::variant<PickleNone, bool, int64_t, double, std::string, PickleBytes, PickleBigInt,
                 PickleList, PickleDict, PickleGlobal, std::unique_ptr<PickleCall>,
                 PicklePersistent>
        value;

    template <class T>
    const T* get() const {
        return std::get_if<T>(&value);
    }
    const PickleCall* call() const {
        const auto* call = get<std::unique_ptr<PickleCall>>();
        return call ? call->get() : nullptr;
    }
};

/// All values of a pickle, and the one that it stands for.
struct PickleGraph {
    std::deque<PickleValue> values;
    PickleRef root = nullptr;
};

/// About how much memory the values of one pickle may take, whatever it says.
inline constexpr uint64_t max_pickle_memory = uint64_t(256) << 20;

/// Reads one pickle of protocol 2 to 5; `bytes` then stands after it. Time and memory are bounded
/// by the bytes that are there and by `max_memory`. Throws Error that says where in the pickle.
PickleGraph read_pickle(ByteReader& bytes, uint64_t max_memory = max_pickle_memory);

}  // namespace ailab
