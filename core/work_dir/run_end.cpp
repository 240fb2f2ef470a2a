#include "run_end.hpp"

#include <filesystem>
#include <system_error>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/regular_file.hpp"
#include "ailab/support/utf8.hpp"
#include "config/formats.hpp"
#include "distributed/last_words.hpp"
#include "distributed/signals.hpp"
#include "run_folder.hpp"

namespace ailab {
namespace {

constexpr const char* exit_key = "exit";

std::string end_file(const std::string& run_dir) {
    return run_dir + "/end.json";
}

}  // namespace

void begin_run_end(const std::string& run_dir) {
    std::error_code error;
    std::filesystem::remove(end_file(run_dir), error);
    if (error) throw Error(concat("cannot remove ", end_file(run_dir), ": ", error.message()));
    dist::note_end_in(end_file(run_dir));
    dist::tell_last_words(
        [run_dir](const std::string& told) { write_run_end(run_dir, "failed: " + told); });
}

void write_run_end(const std::string& run_dir, const std::string& exit) noexcept {
    try {
        Node end = Node::map();
        end.set(exit_key, Node::string(valid_utf8(exit)));
        write_text_file(end_file(run_dir), to_json(end) + "\n");
    } catch (const std::exception& error) {
        log_warning(error.what(), "; `ailab-run runs` will not know how this run ended");
    }
}

void settle_run_end() {
    dist::tell_last_words({});
    dist::note_end_in("");
}

std::optional<std::string> read_run_end(const std::string& run_dir) {
    constexpr uint64_t most_bytes = 1 << 20;
    std::error_code error;
    if (!std::filesystem::exists(end_file(run_dir), error)) return {};
    const std::string text = read_regular_file(end_file(run_dir), most_bytes);
    try {
        const Node end = from_json(text, end_file(run_dir));
        const Node* exit = end.find(exit_key);
        if (exit && exit->is_string()) return exit->as_string();
    } catch (const Error&) {
        // Cut off by a kill or a full disk.
    }
    return {};
}

}  // namespace ailab
