#pragma once
#include <exception>
#include <functional>
#include <string>

#include "checkpoint/durable_file.hpp"

namespace ailab {

/// What LibTorch's writers of zip archives write to. Where a write of theirs fails they end the
/// process: so none does, and what failed is thrown by finish().
class ArchiveFile {
  public:
    explicit ArchiveFile(const std::string& path) : file_(path) {}

    std::function<size_t(const void*, size_t)> writer() {
        return [this](const void* bytes, size_t size) {
            try {
                if (!failed_) file_.write(bytes, size);
            } catch (...) {
                failed_ = std::current_exception();
            }
            return size;
        };
    }
    /// Throws Error, which names the file.
    void finish() {
        if (failed_) std::rethrow_exception(failed_);
        file_.finish();
    }

  private:
    DurableFile file_;
    std::exception_ptr failed_;
};

}  // namespace ailab
