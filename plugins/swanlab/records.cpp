#include "records.hpp"

#include <cmath>

#include "ailab/support/utf8.hpp"

namespace ailab::swanlab {
namespace {

using wire::Message;

// What comes once has a number of its own, as in the client; other records count from 1.
constexpr int64_t start_number = -1, finish_number = -2, config_number = -3;

// Fields of Record.
constexpr int start_field = 10, finish_field = 11, column_field = 12, scalar_field = 13,
              save_field = 20;

constexpr int scalar_type = 1;     // COLUMN_TYPE_SCALAR
constexpr int custom_class = 1;    // COLUMN_CLASS_CUSTOM
constexpr int public_section = 3;  // SECTION_TYPE_PUBLIC
constexpr int config_type = 1;     // SAVE_TYPE_CONFIG

Message timestamp(double time) {
    const double whole = std::floor(time);
    return Message().add(1, int64_t(whole)).add(2, int64_t((time - whole) * 1e9));
}

std::string record(int64_t number, int field, const Message& content, double time) {
    return Message().add(1, number).add(2, timestamp(time)).add(field, content).bytes();
}

void add_text(Message& message, int field, const std::string& text) {
    if (!text.empty()) message.add(field, valid_utf8(text));
}

}  // namespace

std::string start_record(const RunFacts& facts, double time) {
    Message start;
    add_text(start, 1, facts.project);
    add_text(start, 2, facts.workspace);
    add_text(start, 4, facts.name);
    add_text(start, 5, facts.description);
    for (const std::string& tag : facts.tags) start.add(6, tag);
    add_text(start, 7, facts.group);
    start.add(10, facts.id);
    start.add(12, timestamp(time));
    return record(start_number, start_field, start, time);
}

std::string finish_record(RunState state, const std::string& error, double time) {
    Message finish = Message().add(1, int(state));
    add_text(finish, 2, error);
    finish.add(3, timestamp(time));
    return record(finish_number, finish_field, finish, time);
}

std::string config_record(const std::string& path, double time) {
    const Message save = Message().add(1, "config").add(2, path).add(5, config_type);
    return record(config_number, save_field, save, time);
}

std::string column_record(int64_t number, const std::string& key, double time) {
    Message column = Message().add(1, custom_class).add(2, scalar_type).add(3, key);
    const size_t slash = key.find('/');
    add_text(column, 5, slash == std::string::npos ? "" : key.substr(0, slash));
    column.add(6, public_section);
    return record(number, column_field, column, time);
}

std::string scalar_record(int64_t number, const std::string& key, int64_t step, double value,
                          double time) {
    Message scalar = Message().add(1, key).add(2, step).add(3, scalar_type);
    scalar.add(4, timestamp(time)).add(5, Message().add(1, value));
    return record(number, scalar_field, scalar, time);
}

}  // namespace ailab::swanlab
