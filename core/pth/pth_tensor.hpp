#pragma once
// How torch.save() pickles tensors: as calls of functions that make views of storages.
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pickle_values.hpp"

namespace ailab {

/// The call that makes a strided tensor from a storage.
struct TensorCall {
    std::string_view function;
    const std::vector<PickleRef>* arguments = nullptr;
};

/// Looks through parameters and subclasses, which wrap another call; nothing when it is no tensor.
std::optional<TensorCall> tensor_call(const PickleValue& value);

/// ("storage", FloatStorage, key, device, number of elements).
struct StorageId {
    at::ScalarType type = at::kByte;
    std::string key;
    int64_t bytes = 0;
};

/// Nothing when the value is no storage. Throws Error that says what is wrong with it.
std::optional<StorageId> storage_id(const PickleValue& value);

/// A strided view of a storage, checked against its bounds.
struct View {
    at::ScalarType type = at::kByte;
    StorageId storage;
    int64_t offset = 0;  // in elements, as the strides
    std::vector<int64_t> sizes, strides;
};

/// Throws Error that says what is wrong. The bounds are those of the storage that the call names:
/// whether that is there, and has its size, is not known here.
View view_of(const TensorCall& call);

/// A tensor that repeats its memory (expand()) may have so many bytes.
inline constexpr int64_t max_expanded_bytes = int64_t(1) << 30;

}  // namespace ailab
