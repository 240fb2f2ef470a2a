#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "files/input_file.hpp"

namespace ailab {

/// A record of a zip file. Its bytes lie within the file, and no two records overlap.
struct ZipRecord {
    uint64_t begin = 0;
    uint64_t size = 0;
    /// 0: whoever wrote the file did not compute it.
    uint32_t crc32 = 0;
    /// Compressed or encrypted. Such records cannot be read here: torch.save writes none, and what
    /// is stored as it is cannot grow.
    bool packed = false;
};

/// The records by name, of a zip or zip64 file. Throws Error that says what is wrong.
std::map<std::string, ZipRecord> read_zip_directory(const InputFile& file);

/// Throws Error if the record is packed, or if the bytes are not those whose checksum was written.
void check_record(const ZipRecord& record, const void* bytes, const std::string& name);
/// The same for a record that is not in memory.
void check_record(const ZipRecord& record, const InputFile& file, const std::string& name);

}  // namespace ailab
