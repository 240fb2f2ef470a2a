#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ailab/support/append_file.hpp"

namespace ailab {

/// Whose file it is: the trackers that keep a run in such a log differ in its first bytes.
struct LogFormat {
    std::string_view magic;
    uint16_t number;
    uint8_t version;
    const char* tracker;
};
inline constexpr LogFormat wandb_log{":W&B", 0xBEE1, 0, "W&B"};
inline constexpr LogFormat swanlab_log{":SWL", 0xE1D6, 2, "SwanLab"};

/// The first bytes of a file.
std::string log_header(const LogFormat& format);
/// A record as it is appended to a file of `size` bytes: LevelDB's log format
/// (github.com/google/leveldb/blob/main/doc/log_format.md), but with zlib's CRC-32, unmasked. The
/// header counts in the first block.
std::string framed(std::string_view record, int64_t size);

/// A file that is being written, record by record.
class TransactionLog {
  public:
    explicit TransactionLog(const LogFormat& format) : format_(format) {}

    /// Makes the file, which must not exist. Throws Error: the run has not begun yet.
    void open(const std::string& path);
    /// Goes on with a file that is there behind its first `size` bytes, which are whole records;
    /// the rest is cut off. False, and nothing is changed, when it has not as many, or some are
    /// damaged. Throws Error.
    bool go_on(const std::string& path, int64_t size);
    /// Of the whole records.
    int64_t size() const { return file_.size(); }
    bool is_open() const { return file_.is_open(); }

    /// Appends a record and lets readers see it. Never fails the training: the first record that
    /// cannot be written is a warning, and the file then holds all whole records before and after.
    void append(std::string_view record);
    void close() { file_.close(); }

  private:
    const LogFormat format_;
    AppendFile file_;
    bool warned_ = false;
};

/// A record of a file that is there.
struct StoredRecord {
    std::string bytes;
    /// Where the file would end without this record and those behind it.
    int64_t begin = 0;
    int64_t end = 0;
};

/// All whole records, up to the first that was cut off or damaged. Throws Error when the file
/// cannot be read or is of another format.
std::vector<StoredRecord> read_log(const std::string& path, const LogFormat& format);

}  // namespace ailab
