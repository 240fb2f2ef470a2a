#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ailab/export.hpp"
#include "files/durable_file.hpp"
#include "files/input_file.hpp"
#include "safetensors_header.hpp"

namespace ailab {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Metadata = std::map<std::string, std::string>;

/// Writes a new file in the safetensors format (header <= 100,000,000 bytes, 8-byte aligned,
/// offsets without holes; largest dtype first, then by name, as the reference implementation does).
/// Tensors are made contiguous and taken to the CPU one by one; a tensor of two names is written
/// twice. Complex ones are written as real numbers, [..., 2], and marked in the metadata; reading
/// takes the mark out. The file is on the disk when this returns.
AILAB_API FileDigest write_safetensors(const std::string& path, const NamedTensors& tensors,
                                       const Metadata& metadata = {});
/// The same into a file that the caller finishes.
void write_safetensors(DurableFile& file, const NamedTensors& tensors, const Metadata& metadata);
/// Throws Error that names what such a file cannot hold: a tensor that is not dense, a dtype, two
/// of one name.
void check_safetensors(const NamedTensors& tensors);
/// Reads one, in the order of the data. Everything is checked before memory is taken. Throws Error
/// naming the file.
AILAB_API NamedTensors read_safetensors(const std::string& path, Metadata* metadata = nullptr);
NamedTensors read_safetensors(const InputFile& file, Metadata* metadata = nullptr);

/// A file of which tensors are read one by one, or a part of one. Throws Error naming the file.
class SafetensorsFile {
  public:
    /// Reads and checks its header.
    explicit SafetensorsFile(const std::string& path);

    /// Rows [first, first + count) of its first dimension; nothing but their bytes is read. One
    /// without dimensions has one row.
    at::Tensor read_rows(const std::string& name, int64_t first, int64_t count) const;

  private:
    const InputFile file_;
    uint64_t data_begin_ = 0;
    std::map<std::string, TensorEntry> entries_;
    Metadata metadata_;
};

/// Takes out the tensors that another name already has and notes "name -> kept name" in `metadata`:
/// for states, where many names share a counter.
NamedTensors drop_aliases(const NamedTensors& tensors, Metadata& metadata);
/// Notes them alone. A model's tied weights are written under each name, since load_state_dict() in
/// Python wants all of them; the note says that they are one.
void note_aliases(const NamedTensors& tensors, Metadata& metadata);
/// Adds those that were taken out.
void restore_aliases(NamedTensors& tensors, const Metadata& metadata);

}  // namespace ailab
