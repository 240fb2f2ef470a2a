#pragma once
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace ailab {

/// The folders that a walk below a folder is in, the outermost first: a link may lead back to one
/// of them, and the walk would not end.
class FolderChain {
  public:
    /// Goes into `folder`, which lies `depth` folders below the first. Throws ConfigError when it
    /// is one that it lies in.
    void enter(const std::string& folder, size_t depth);

  private:
    std::vector<std::pair<dev_t, ino_t>> folders_;
};

}  // namespace ailab
