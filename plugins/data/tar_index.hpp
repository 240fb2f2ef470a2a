#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ailab {

/// A stretch of a sparse file; between these it is zeros.
struct TarPiece {
    uint64_t offset = 0;  // in the file
    uint64_t begin = 0;   // of its bytes in the archive
    uint64_t size = 0;
};

/// A regular file of a tar archive.
struct TarMember {
    std::string name;
    uint64_t begin = 0;            // of its bytes in the archive
    uint64_t size = 0;             // of the file
    std::vector<TarPiece> pieces;  // of a sparse file, at least one; of others none
};

/// What an archive holds.
struct TarIndex {
    std::vector<TarMember> members;
    bool has_end = false;  // the blocks of zeros that every archive ends with
    bool goes_on = false;  // behind them: archives that were joined, of which one counts
};

/// The regular files of a tar archive (ustar, GNU and pax names, sparse files of GNU tar) whose
/// bytes are `archive`; `path` is for messages. Throws Error when it is cut within a file,
/// compressed, or no tar; one that was cut between two files has no end.
TarIndex read_tar_index(std::string_view archive, const std::string& path);

}  // namespace ailab
