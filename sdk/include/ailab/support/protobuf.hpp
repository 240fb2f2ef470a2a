#pragma once
// Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding), written by hand: what
// the event files of TensorBoard and W&B and ONNX models need, without libprotobuf, whose headers
// clash with those that LibTorch brings.
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ailab/export.hpp"

namespace ailab::wire {

/// One message, encoded as its fields are added:
///
///     Message event;
///     event.add(1, wall_time).add(2, step).add(5, summary);
///
/// The C++ type picks the encoding: double and float are `double` and `float`, integers, bool and
/// enumerations are varints (not sint or fixed), text is `string` or `bytes`. A repeated field is
/// added several times, or at once with packed(). Zeros are written too: leave them out where the
/// format tells unset from zero.
class AILAB_API Message {
  public:
    Message& add(int field, double value);
    Message& add(int field, float value);
    /// bool, int32, int64, uint32, uint64, enum. Negative numbers take ten bytes.
    template <std::integral Integer>
    Message& add(int field, Integer value) {
        // Sign-extended to 64 bits, as int32 and int64 both are.
        return add_varint(field, uint64_t(int64_t(value)));
    }
    Message& add(int field, std::string_view bytes);
    // A literal would otherwise turn into a bool.
    Message& add(int field, const char* text) { return add(field, std::string_view(text)); }
    Message& add(int field, const Message& message);

    /// `repeated double`, `repeated float`, `repeated int64` and the like, all in one record.
    Message& packed(int field, std::span<const double> values);
    Message& packed(int field, std::span<const float> values);
    Message& packed(int field, std::span<const int64_t> values);

    const std::string& bytes() const { return bytes_; }
    bool empty() const { return bytes_.empty(); }

  private:
    Message& add_varint(int field, uint64_t value);

    std::string bytes_;
};

/// Little-endian numbers, for the framing around messages.
AILAB_API void append_u16(std::string& out, uint16_t value);
AILAB_API void append_u32(std::string& out, uint32_t value);
AILAB_API void append_u64(std::string& out, uint64_t value);

}  // namespace ailab::wire
