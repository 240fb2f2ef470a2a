#include "records.hpp"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>

#include "ailab/abi.hpp"
#include "ailab/support/number_text.hpp"
#include "json.hpp"

namespace ailab::wandb {
namespace {

using wire::Message;

// Fields of a Record, by what they hold.
enum RecordField {
    history_field = 2,
    summary_field = 3,
    files_field = 6,
    metric_field = 12,
    run_field = 17,
    exit_field = 18,
    header_field = 21,
    environment_field = 26,
    info_field = 200,
};

/// A google.protobuf.Timestamp.
Message timestamp(double seconds) {
    const double whole = std::floor(seconds);
    return Message().add(1, int64_t(whole)).add(2, int32_t((seconds - whole) * 1e9));
}

void add_text(Message& message, int field, const std::string& text) {
    if (!text.empty()) message.add(field, text);
}

/// ConfigItem, HistoryItem and SummaryItem are alike: a key that is one name, and JSON. A name with
/// a slash or a dot is one name all the same.
Message item(const std::string& key, const std::string& value_json) {
    return Message().add(2, key).add(16, value_json);
}

std::string host_name() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return name;
}

std::vector<std::string> command_line() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    std::vector<std::string> arguments;
    for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
    return arguments;
}

std::string path_of_link(const char* link) {
    char path[4096];
    const ssize_t size = readlink(link, path, sizeof path);
    return size < 0 ? "" : std::string(path, size_t(size));
}

std::string summary_json(const std::string& name, const SummaryEntry& entry) {
    if (!shows_best(name)) return json(entry.last);
    std::string text = "{\"last\":" + json(entry.last) + ",\"min\":" + json(entry.min);
    if (!is_loss(name)) text += ",\"max\":" + json(entry.max);
    return text + "}";
}

/// The fields of an encoded message, one after the other.
class FieldReader {
  public:
    explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

    /// False at the end, and where the bytes are no message.
    bool next() {
        uint64_t tag = 0;
        if (rest_.empty() || !read_varint(tag)) return false;
        number_ = int(tag >> 3);
        varint_ = 0;
        bytes_ = {};
        uint64_t size = 0;
        switch (tag & 7) {
            case 0:
                return read_varint(varint_);
            case 1:
                return skip(8);
            case 2:
                if (!read_varint(size) || size > rest_.size()) return false;
                bytes_ = rest_.substr(0, size);
                return skip(size);
            case 5:
                return skip(4);
            default:
                return false;
        }
    }
    int number() const { return number_; }
    uint64_t varint() const { return varint_; }
    std::string_view bytes() const { return bytes_; }

  private:
    bool skip(size_t size) {
        if (size > rest_.size()) return false;
        rest_.remove_prefix(size);
        return true;
    }
    bool read_varint(uint64_t& value) {
        value = 0;
        for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = uint8_t(rest_[0]);
            rest_.remove_prefix(1);
            value |= uint64_t(byte & 0x7F) << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }

    std::string_view rest_;
    int number_ = 0;
    uint64_t varint_ = 0;
    std::string_view bytes_;
};

}  // namespace

void Row::set(const std::string& name, double value) {
    for (auto& [known, old] : values)
        if (known == name) {
            old = value;
            return;
        }
    values.emplace_back(name, value);
}

void SummaryEntry::add(double value) {
    last = value;
    min = std::fmin(min, value);  // of two, the one that is a number
    max = std::fmax(max, value);
}

bool shows_best(const std::string& name) {
    return name.starts_with("val/") || name.starts_with("test/");
}

bool is_loss(const std::string& name) {
    return lower_case(name).find("loss") != std::string::npos;
}

Content header_record() {
    constexpr const char* oldest_server = "0.70.0";
    const std::string producer = std::string("ailab ") + AILAB_VERSION;
    return {header_field, Message().add(1, Message().add(1, producer).add(2, oldest_server))};
}

Content run_record(const Settings& settings, const RunStart& start, const Node& config) {
    Message items;
    for (const Member& member : config.members())
        items.add(1, item(member.key, json(member.value)));
    Message run;
    run.add(1, start.id);
    add_text(run, 2, settings.entity);
    add_text(run, 3, settings.project);
    run.add(4, items);
    add_text(run, 6, settings.group);
    add_text(run, 7, settings.job_type);
    add_text(run, 8, settings.name);
    add_text(run, 9, settings.notes);
    for (const std::string& tag : settings.tags) run.add(10, tag);
    run.add(13, host_name());
    if (start.first_step > 0) run.add(14, start.first_step);
    run.add(17, timestamp(start.time));
    if (start.resumed) run.add(18, true).add(20, int32_t(start.earlier_seconds));
    return {run_field, run};
}

Content environment_record(const RunStart& start) {
    Message environment;
    utsname system{};
    if (uname(&system) == 0)
        environment.add(1,
                        std::string(system.sysname) + "-" + system.release + "-" + system.machine);
    environment.add(3, timestamp(start.time));
    const std::vector<std::string> command = command_line();
    for (size_t i = 1; i < command.size(); ++i) environment.add(5, command[i]);
    if (!command.empty()) environment.add(6, command[0]);
    add_text(environment, 11, path_of_link("/proc/self/cwd"));
    environment.add(12, host_name());
    add_text(environment, 14, path_of_link("/proc/self/exe"));
    environment.add(17, std::thread::hardware_concurrency());
    struct sysinfo info {};
    if (sysinfo(&info) == 0)
        environment.add(21, Message().add(1, uint64_t(info.totalram) * info.mem_unit));
    environment.add(199, start.id);
    return {environment_field, environment};
}

Content file_record(const std::string& path) {
    return {files_field, Message().add(1, Message().add(1, path))};
}

Content metric_record(const std::string& name) {
    Message kinds;
    kinds.add(1, true);
    if (!is_loss(name)) kinds.add(2, true);
    kinds.add(5, true);  // last
    constexpr int defined = 3;
    return {metric_field,
            Message().add(1, name).add(6, Message().add(defined, true)).add(7, kinds)};
}

Content history_record(const Row& row) {
    Message history;
    for (const auto& [name, value] : row.values) history.add(1, item(name, json(value)));
    history.add(1, item("_timestamp", json(row.timestamp)));
    history.add(1, item("_runtime", json(row.runtime)));
    history.add(1, item("_step", std::to_string(row.step)));
    history.add(2, Message().add(1, row.step));
    return {history_field, history};
}

Content summary_record(const Row& row, const Summary& entries) {
    Message summary;
    for (const auto& [name, entry] : entries) summary.add(1, item(name, summary_json(name, entry)));
    summary.add(1, item("_timestamp", json(row.timestamp)));
    summary.add(1, item("_runtime", json(row.runtime)));
    summary.add(1, item("_step", std::to_string(row.step)));
    summary.add(
        1,
        Message().add(2, "_wandb").add(2, "runtime").add(16, std::to_string(int64_t(row.runtime))));
    return {summary_field, summary};
}

Content exit_record(int code, double runtime) {
    return {exit_field, Message().add(1, code).add(2, int32_t(runtime))};
}

std::string record(int64_t number, const std::string& run_id, const Content& content) {
    return Message()
        .add(1, number)
        .add(content.field, content.message)
        .add(info_field, Message().add(1, run_id))
        .bytes();
}

std::optional<int64_t> history_step(std::string_view record) {
    for (FieldReader fields(record); fields.next();) {
        if (fields.number() != history_field) continue;
        for (FieldReader history(fields.bytes()); history.next();) {
            if (history.number() != 2) continue;
            int64_t step = 0;  // protobuf leaves a zero out
            for (FieldReader number(history.bytes()); number.next();)
                if (number.number() == 1) step = int64_t(number.varint());
            return step;
        }
    }
    return std::nullopt;
}

}  // namespace ailab::wandb
