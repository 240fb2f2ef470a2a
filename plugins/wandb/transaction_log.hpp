#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ailab::wandb {

/// The first bytes of a .wandb file.
std::string log_header();
/// A record as it is appended to a file of `size` bytes: LevelDB's log format
/// (github.com/google/leveldb/blob/main/doc/log_format.md), but with zlib's CRC-32, unmasked. The
/// header counts in the first block.
std::string framed(std::string_view record, int64_t size);

/// A .wandb file that is being written, record by record.
class TransactionLog {
  public:
    TransactionLog() = default;
    ~TransactionLog();
    TransactionLog(const TransactionLog&) = delete;
    TransactionLog& operator=(const TransactionLog&) = delete;

    /// Makes the file, which must not exist. Throws Error: the run has not begun yet.
    void open(const std::string& path);
    bool is_open() const { return file_ >= 0; }

    /// Appends a record and lets readers see it. Never fails the training: the first record that
    /// cannot be written is a warning, and the file then holds all whole records before and after.
    void append(std::string_view record);
    void close();

  private:
    std::string path_;
    int file_ = -1;
    int64_t size_ = 0;  // of the whole records
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
/// cannot be read or is no .wandb file.
std::vector<StoredRecord> read_log(const std::string& path);

}  // namespace ailab::wandb
