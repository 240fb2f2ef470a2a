#pragma once
// What ranks compare of their data.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ailab/export.hpp"

namespace ailab {

/// What must be alike on all ranks: values by what messages call them, short ones as they are
/// ("samples": "60000"), of long ones a Digest.
using DataDigest = std::map<std::string, std::string>;

/// A short text that stands for a long sequence of texts and numbers: 64-bit FNV-1a. Tells
/// accidents apart, no forgeries.
class AILAB_API Digest {
  public:
    Digest& add(std::string_view text);
    Digest& add(int64_t number);
    /// "digest 0123456789abcdef".
    std::string str() const;

  private:
    void mix(const void* bytes, size_t count);

    uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace ailab
