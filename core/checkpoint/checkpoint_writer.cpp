// How a checkpoint is committed. The folder appears under its name when all of it is on the disk.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ailab/error.hpp"
#include "checkpoint_files.hpp"
#include "files/temporary_name.hpp"

namespace ailab {
namespace {

void make_folder(const std::string& path) {
    std::filesystem::create_directories(parent_folder(path));
    if (mkdir(path.c_str(), 0777) != 0)
        throw Error(concat("cannot create ", path, ": ", std::strerror(errno)));
}

void remove_folder(const std::string& folder) {
    std::error_code ignored;  // the error that led here is the one to tell
    std::filesystem::remove_all(folder, ignored);
}

/// Removes a file at the end, if it is still there.
struct Unlink {
    std::string path;
    ~Unlink() {
        if (!path.empty()) unlink(path.c_str());
    }
};

/// One write_checkpoint(). Its functions are collective, in this order.
class Commit {
  public:
    Commit(const std::string& path, const std::string& pointer, Comm& comm)
        : path_(path), pointer_(pointer), comm_(comm), main_(comm.rank() == 0) {}

    /// Rank 0 makes the temporary folder.
    void open() {
        std::string opened;
        if (main_) {
            const std::string folder = temporary_name(path_);
            const std::string error = error_of([&] { make_folder(folder); });
            opened = error.empty() ? folder : "![rank 0] " + error;
        }
        folder_ = comm_.broadcast_text(opened);
        if (folder_.front() == '!') fail(folder_.substr(1));
    }

    void write(const Checkpoint& checkpoint) {
        CheckpointFiles files(folder_);
        RankReport written;
        written.error = error_of([&] {
            written.shards = sharded_tensors(checkpoint.modules, comm_.rank());
            written.has_rank_tensors =
                std::any_of(checkpoint.modules.begin(), checkpoint.modules.end(),
                            [](const auto& module) { return !module.second.rank_tensors.empty(); });
            if (main_) files.write_shared(checkpoint);
            files.write_rank(checkpoint, comm_.rank());
            written.files = files.digests();
        });
        const std::vector<RankReport> reports = agree(written);

        if (main_ && !pointer_.empty()) next_pointer_.path = temporary_name(pointer_);
        RankReport synced;
        synced.error = error_of([&] {
            if (main_) files.write_manifest(checkpoint, reports);
            if (!next_pointer_.path.empty()) files.write_text(next_pointer_.path, path_);
            files.finish();
        });
        agree(synced);
    }

    /// Rank 0 renames; all learn what came of it.
    void publish() {
        const std::string outcome = comm_.broadcast_text(main_ ? rename_all() : "");
        if (outcome.empty()) return;
        if (outcome.front() == '!') fail(outcome.substr(1));
        throw Error(concat("the checkpoint ", path_, " is complete, but [rank 0] ", outcome));
    }

  private:
    /// Tells all ranks what each of them has done; the error of any ends it for all of them.
    std::vector<RankReport> agree(const RankReport& mine) {
        std::vector<RankReport> reports;
        for (const std::string& text : comm_.gather_text(mine.encode()))
            reports.push_back(RankReport::decode(text));
        const std::string errors = combine_errors(reports);
        if (!errors.empty()) {
            if (comm_.local_rank() == 0) remove_folder(folder_);
            comm_.barrier();  // nobody leaves before the folder is gone
            fail(errors);
        }
        return reports;
    }

    /// "" when all went well; "!…" when the checkpoint is not there.
    std::string rename_all() {
        std::string replaced;
        const std::string error = error_of([&] { replaced = replace_folder(folder_, path_); });
        if (!error.empty()) {
            remove_folder(folder_);
            return "![rank 0] " + error;
        }
        return error_of([&] {
            sync_folder(parent_folder(path_));
            // Only a hint: after a crash the old one, which is still true, may be back.
            if (!next_pointer_.path.empty()) rename_file(next_pointer_.path, pointer_);
            if (!replaced.empty()) remove_folder(replaced);
        });
    }

    [[noreturn]] void fail(const std::string& error) const {
        throw Error(concat("the checkpoint ", path_, " was not written: ", error,
                           ". Earlier checkpoints are as they were"));
    }

    const std::string path_;
    const std::string pointer_;
    Comm& comm_;
    const bool main_;
    std::string folder_;
    Unlink next_pointer_;
};

}  // namespace

void write_checkpoint(const std::string& path, const std::string& pointer,
                      const Checkpoint& checkpoint, Comm& comm) {
    Commit commit(path, pointer, comm);
    commit.open();
    commit.write(checkpoint);
    commit.publish();
}

}  // namespace ailab
