#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ailab/error.hpp"

namespace ailab::collectives {

/// Throws what is wrong with a call: "shm allreduce: …".
template <class... Text>
[[noreturn]] void fail(const std::string& backend, const char* call, const Text&... text) {
    throw Error(concat(backend, " ", call, ": ", text...));
}

/// A tensor of the CPU as contiguous memory: itself, or a copy that commit() writes back.
class Flat {
  public:
    /// Throws Error for a tensor that has no such memory.
    Flat(const std::string& backend, const at::Tensor& tensor, const char* call);

    const at::Tensor& memory() const { return memory_; }
    void* data() const { return memory_.data_ptr(); }
    int64_t count() const { return memory_.numel(); }
    int64_t bytes() const { return int64_t(memory_.nbytes()); }
    c10::ScalarType type() const { return memory_.scalar_type(); }
    /// Same type and number of elements.
    bool fits(const Flat& other) const {
        return bytes() == other.bytes() && type() == other.type();
    }
    /// `parts` equal parts.
    std::vector<void*> split(int parts) const;
    void commit() const;
    /// "Float[2, 3]".
    std::string str() const;

  private:
    const at::Tensor& tensor_;
    const at::Tensor memory_;
};

}  // namespace ailab::collectives
