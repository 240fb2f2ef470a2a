#include "folder_chain.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab {

void FolderChain::enter(const std::string& folder, size_t depth) {
    folders_.resize(std::min(depth, folders_.size()));
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return;  // who lists it says why it cannot
    const std::pair identity(status.st_dev, status.st_ino);
    if (std::find(folders_.begin(), folders_.end(), identity) != folders_.end())
        throw ConfigError(
            concat(folder, " leads back, by a link, to a folder that it lies in; remove the link"));
    folders_.push_back(identity);
}

}  // namespace ailab
