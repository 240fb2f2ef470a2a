#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/support/append_file.hpp"
#include "ailab/support/protobuf.hpp"

namespace ailab::tensorboard {

/// The framing of TFRecord files: the length and its checksum, the data and its checksum.
std::string record(std::string_view data);

/// One event file: what TensorBoard reads, appended record by record. The folder of a run holds one
/// for each time the run was started; TensorBoard reads them in the order of their names as one.
class EventFile {
  public:
    /// Makes the folder, and in it a file whose name sorts behind those that are there. Throws
    /// Error when that fails: the run has not begun yet.
    void open(const std::string& folder);
    bool is_open() const { return file_.is_open(); }
    /// The folder held event files when this one was opened.
    bool continues() const { return continues_; }
    const std::string& path() const { return file_.path(); }

    /// Appends an Event and lets TensorBoard see it. Never fails the training: the first record
    /// that cannot be written is a warning, and the file then holds all whole records before and
    /// after.
    void write(const wire::Message& event) { write(event.bytes()); }
    /// The same, of an encoded Event.
    void write(const std::string& event);
    /// Of the whole records.
    int64_t size() const { return file_.size(); }
    void close() { file_.close(); }

  private:
    AppendFile file_;
    bool continues_ = false;
    bool warned_ = false;
};

/// The encoded Events of one step in the first `size` bytes of an event file of ours; none where
/// there is no such file.
std::vector<std::string> events_at(const std::string& path, int64_t size, int64_t step);

}  // namespace ailab::tensorboard
