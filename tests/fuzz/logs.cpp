// Logs that are read back when a run goes on or is looked at: W&B's and SwanLab's, TensorBoard's,
// metrics.jsonl.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "ailab/support/crc32c.hpp"
#include "ailab/support/run_record.hpp"
#include "target.hpp"
#include "tensorboard/event_file.hpp"
#include "trackers/transaction_log.hpp"
#include "wandb/earlier_starts.hpp"
#include "wandb/records.hpp"

namespace ailab::fuzz {
namespace {

// ---- W&B and SwanLab

void tracker_log(const std::string& input) {
    const LogFormat& format = input.starts_with(swanlab_log.magic) ? swanlab_log : wandb_log;
    int64_t last = int64_t(log_header(format).size());
    for (const StoredRecord& record : read_log(as_file(input), format)) {
        wandb::history_step(record.bytes);
        require(record.begin >= last && record.end > record.begin &&
                    record.end <= int64_t(input.size()),
                "a record does not lie behind the one before, or in the file");
        last = record.end;
    }
    if (&format != &wandb_log) return;
    const std::string folder = in_folder("wandb/run-1/run-x.wandb", input) + "/wandb";
    constexpr int64_t last_kept = 5;
    require(wandb::cut_earlier_starts(folder, "x", last_kept) ==
                wandb::cut_earlier_starts(folder, "x", last_kept),
            "what was cut once is cut again");
}

/// Walks over the chunks and makes their checksums right, the last one's length too.
void repair_tracker_log(std::string& input) {
    constexpr size_t header = 7, chunk_header = 7, block = 32768;
    for (size_t at = header; at + chunk_header < input.size();) {
        if (block - at % block < chunk_header) {
            at += block - at % block;
            continue;
        }
        const size_t room = std::min(input.size() - at, block - at % block) - chunk_header;
        const size_t length =
            std::min<size_t>(uint8_t(input[at + 4]) | uint8_t(input[at + 5]) << 8, room);
        input[at + 4] = char(length);
        input[at + 5] = char(length >> 8);
        const auto sum =
            uint32_t(crc32(0, reinterpret_cast<const Bytef*>(&input[at + 6]), uInt(length + 1)));
        std::memcpy(&input[at], &sum, sizeof sum);
        at += chunk_header + length;
    }
}

// ---- TensorBoard

void event_file(const std::string& input) {
    const std::string path = as_file(input);
    for (const int64_t size :
         {int64_t(input.size()), int64_t(input.size() / 2), int64_t(-1), INT64_MAX})
        for (const int64_t step : {0, 1, 300})
            for (const std::string& event : tensorboard::events_at(path, size, step))
                require(event.size() <= input.size(), "an event is longer than its file");
}

void repair_event_file(std::string& input) {
    constexpr size_t head = 12, tail = 4;
    for (size_t at = 0; input.size() - at >= head + tail;) {
        uint64_t length = 0;
        std::memcpy(&length, &input[at], sizeof length);
        length = std::min<uint64_t>(length, input.size() - at - head - tail);
        const std::string fixed =
            tensorboard::record(std::string_view(input).substr(at + head, length));
        input.replace(at, fixed.size(), fixed);
        at += fixed.size();
    }
}

// ---- metrics.jsonl

void run_record(const std::string& input) {
    in_folder("config.yaml", "seed: 1\n");
    const RunRecord record = read_run(in_folder("metrics.jsonl", input));
    for (const char* mode : {"train", "val"})
        for (const std::string& name : record.names(mode)) record.curve(mode, name);
}

const Registration tracker_target({.name = "tracker_log",
                                   .run = tracker_log,
                                   .repair = repair_tracker_log});
const Registration event_target({.name = "event_file",
                                 .run = event_file,
                                 .repair = repair_event_file});
const Registration run_target({.name = "run_record", .run = run_record});

}  // namespace
}  // namespace ailab::fuzz
