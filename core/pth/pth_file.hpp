#pragma once
// What torch.save() writes (.pth, .pt), read without Python and without running what is in it.
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "pickle.hpp"
#include "pickle_values.hpp"
#include "zip_archive.hpp"

namespace ailab {

/// A file of torch.save(): the zip format of today and the one before PyTorch 1.6. The values are
/// read at once and live as long as this does; a storage when a tensor of it is asked for. Not
/// thread-safe.
///
/// All errors name the file. Whatever it holds, time and memory are bounded: by the size of the
/// file for storages, by max_pickle_memory for everything else.
class PthFile {
  public:
    explicit PthFile(const std::string& path);

    const std::string& path() const { return file_.path(); }
    const PickleValue& root() const { return *graph_.root; }

    /// The bytes of a record beside the pickle, or "".
    std::string text(const std::string& record) const;

    /// A tensor or parameter of a kind that tensor() can make.
    static bool is_tensor(const PickleValue& value);
    /// On the CPU, with the file's strides; tensors that share memory in the file share it here.
    /// `name` is for messages. A tensor that repeats its memory (expand()) has at most
    /// max_expanded_bytes; no more than max_tensors are made.
    at::Tensor tensor(const PickleValue& value, const std::string& name);

    static constexpr size_t max_tensors = size_t(1) << 20;

  private:
    struct Storage {
        ZipRecord record;
        std::string name;  // for messages
        at::Tensor bytes;  // undefined until a tensor needs it
        at::Tensor bools;  // the same as 0 and 1
    };

    void open_zip();
    void open_legacy();
    Storage& find_storage(const std::string& key);
    const at::Tensor& read_storage(Storage& storage);
    const at::Tensor& read_bools(Storage& storage);

    InputFile file_;
    PickleGraph graph_;
    std::string folder_;                        // of the zip file: "archive/"
    std::map<std::string, ZipRecord> records_;  // of the zip file
    std::map<std::string, Storage> storages_;   // by key
    size_t tensors_ = 0;                        // made so far
};

/// Whether the file looks like one of torch.save(), by its first bytes.
bool is_pth_file(const InputFile& file);

}  // namespace ailab
