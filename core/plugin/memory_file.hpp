#pragma once
#include <string>
#include <string_view>

namespace ailab::plugin {

/// Bytes that are a file to the dynamic loader, and that nobody can change any more: sealed, in
/// memory, without a name in any folder.
class MemoryFile {
  public:
    /// `name` is what the process's maps show. Throws Error.
    MemoryFile(const std::string& name, std::string_view bytes);
    ~MemoryFile();
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    /// Good for as long as this lives. One that was loaded must live on: the loader knows libraries
    /// by their paths, and would take the next file that gets this one's for the one it has.
    std::string path() const;

  private:
    int descriptor_;
};

}  // namespace ailab::plugin
