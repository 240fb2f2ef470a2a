#pragma once
#include <c10/util/Exception.h>

#include <map>
#include <string>
#include <vector>

#include "config/error_words.hpp"
#include "files/durable_file.hpp"
#include "sharded_tensors.hpp"

namespace ailab {

using Digests = std::map<std::string, FileDigest>;

/// What one rank tells the others: an error, or the files that it wrote and what others have to
/// know of them.
struct RankReport {
    std::string error;
    Digests files;
    ShardedTensors shards;  // its pieces
    bool has_rank_tensors = false;

    std::string encode() const;
    static RankReport decode(const std::string& text);
};

/// The errors of all ranks in one text, "[rank 2] …", or "".
std::string combine_errors(const std::vector<RankReport>& reports);

/// Runs `action`; what it throws comes back as text, "" if nothing.
template <class Action>
std::string error_of(const Action& action) {
    try {
        action();
        return "";
    } catch (const c10::Error& error) {
        return error.what_without_backtrace();
    } catch (const std::exception& error) {
        const std::string words = error_words(error);
        return words.empty() ? "unknown error" : words;
    }
}

}  // namespace ailab
