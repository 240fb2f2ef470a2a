#include <c10/util/Exception.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "ailab/error.hpp"
#include "checkpoint.hpp"
#include "manifest.hpp"
#include "state_files.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

using Digests = std::map<std::string, FileDigest>;

/// What one rank tells the others: an error, or the files that it wrote.
struct Report {
    std::string error;
    Digests files;

    std::string encode() const {
        if (!error.empty()) return "!" + error;
        std::ostringstream text;
        for (const auto& [name, digest] : files)
            text << name << ' ' << digest.size << ' ' << digest.crc32c << '\n';
        return text.str();
    }
    static Report decode(const std::string& text) {
        Report report;
        if (!text.empty() && text.front() == '!') {
            report.error = text.substr(1);
            return report;
        }
        std::istringstream stream(text);
        std::string name;
        for (FileDigest digest; stream >> name >> digest.size >> digest.crc32c;)
            report.files[name] = digest;
        return report;
    }
};

/// Runs `action`; what it throws comes back as text.
template <class Action>
std::string error_of(const Action& action) {
    try {
        action();
        return "";
    } catch (const c10::Error& error) {
        return error.what_without_backtrace();
    } catch (const std::exception& error) {
        return *error.what() ? error.what() : "unknown error";
    }
}

/// A name that no other process or moment has.
std::string unique_id() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    char text[48];
    std::snprintf(text, sizeof text, "%llx-%x",
                  static_cast<unsigned long long>(
                      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()),
                  unsigned(getpid()));
    return text;
}

std::string make_folder(const std::string& path) {
    fs::create_directories(parent_folder(path));
    if (mkdir(path.c_str(), 0755) != 0)
        throw Error(concat("cannot create ", path, ": ", std::strerror(errno)));
    return path;
}

FileDigest write_tensors(const std::string& path, const NamedTensors& tensors, Metadata metadata) {
    const NamedTensors kept = drop_aliases(tensors, metadata);
    return write_safetensors(path, kept, metadata);
}

Digests write_shared_files(const std::string& folder, const Checkpoint& checkpoint) {
    Digests files;
    files[checkpoint_file::model] =
        write_tensors(folder + "/" + checkpoint_file::model, checkpoint.model, {{"format", "pt"}});
    const StateFiles states = pack_states(checkpoint.modules, checkpoint.run);
    files[checkpoint_file::state_tensors] =
        write_tensors(folder + "/" + checkpoint_file::state_tensors, states.tensors, {});
    files[checkpoint_file::state_values] =
        write_durably(folder + "/" + checkpoint_file::state_values, states.values);
    return files;
}

Digests write_rank_file(const std::string& folder, const State& state, int rank) {
    const std::string name = checkpoint_file::rank(rank);
    const NamedTensors tensors(state.tensors.begin(), state.tensors.end());
    return {{name, write_tensors(folder + "/" + name, tensors,
                                 {{"ailab.values", values_to_json(state.values)}})}};
}

/// The errors of all ranks in one text, or "".
std::string combine(const std::vector<Report>& reports) {
    std::string text;
    int more = 0;
    for (size_t rank = 0; rank < reports.size(); ++rank) {
        if (reports[rank].error.empty()) continue;
        if (text.empty())
            text = concat("[rank ", rank, "] ", reports[rank].error);
        else
            ++more;
    }
    return more > 0 ? concat(text, " (and an error on ", more, " more rank(s))") : text;
}

/// Rank 0: what the others wrote must be here, or the ranks have different disks.
void check_files(const std::string& folder, const std::vector<Report>& reports) {
    for (size_t rank = 0; rank < reports.size(); ++rank)
        for (const auto& [name, digest] : reports[rank].files) {
            struct stat info {};
            const std::string path = folder + "/" + name;
            if (stat(path.c_str(), &info) != 0 || uint64_t(info.st_size) != digest.size)
                throw Error(concat("rank ", rank, " has written ", path,
                                   ", but rank 0 does not see it; use a work_dir on a file system "
                                   "that all hosts share"));
        }
}

/// Returns where the folder lies that was at `path` before, or "".
std::string commit(const std::string& folder, const std::string& path, const Checkpoint& checkpoint,
                   const std::vector<Report>& reports) {
    check_files(folder, reports);
    Manifest manifest;
    manifest.world_size = int(reports.size());
    manifest.facts = checkpoint.manifest;
    for (const Report& report : reports)
        manifest.files.insert(report.files.begin(), report.files.end());
    write_durably(folder + "/" + checkpoint_file::manifest, encode_manifest(manifest));
    sync_folder(folder);
    return replace_folder(folder, path);
}

void remove_folder(const std::string& folder) {
    std::error_code ignored;  // the error that led here is the one to tell
    fs::remove_all(folder, ignored);
}

}  // namespace

void write_checkpoint(const std::string& path, const std::string& pointer,
                      const Checkpoint& checkpoint, Comm& comm) {
    const bool main = comm.rank() == 0;
    auto fail = [&](const std::string& error) {
        throw Error(concat("the checkpoint ", path, " was not written: ", error,
                           ". Earlier checkpoints are as they were"));
    };

    std::string opened;
    if (main) {
        const std::string folder = concat(path, ".tmp-", unique_id());
        const std::string error = error_of([&] { make_folder(folder); });
        opened = error.empty() ? folder : "![rank 0] " + error;
    }
    const std::string folder = comm.broadcast_text(opened);
    if (folder.front() == '!') fail(folder.substr(1));

    Report mine;
    mine.error = error_of([&] {
        if (main) mine.files = write_shared_files(folder, checkpoint);
        mine.files.merge(write_rank_file(folder, checkpoint.rank, comm.rank()));
        sync_folder(folder);
    });
    std::vector<Report> reports;
    for (const std::string& text : comm.gather_text(mine.encode()))
        reports.push_back(Report::decode(text));

    std::string outcome = combine(reports);
    std::string replaced;
    if (outcome.empty() && main) {
        outcome = error_of([&] { replaced = commit(folder, path, checkpoint, reports); });
        if (!outcome.empty()) outcome = "[rank 0] " + outcome;
    }
    if (!outcome.empty()) {
        if (comm.local_rank() == 0) remove_folder(folder);
        outcome = "!" + outcome;
    } else if (main) {
        outcome = error_of([&] {
            sync_folder(parent_folder(path));
            if (!pointer.empty()) replace_file(pointer, path);
            if (!replaced.empty()) remove_folder(replaced);
        });
    }
    // Also where all know of the error already: nobody leaves before the folder is gone.
    const std::string result = comm.broadcast_text(outcome);
    if (result.empty()) return;
    if (result.front() == '!') fail(result.substr(1));
    throw Error(concat("the checkpoint ", path, " is complete, but [rank 0] ", result));
}

}  // namespace ailab
