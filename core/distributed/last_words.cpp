#include "last_words.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "frames.hpp"
#include "log/log.hpp"

namespace ailab::dist {
namespace {

constexpr size_t longest_text = 64 << 10;

std::string who(int rank, const std::string& host) {
    return concat("ailab: [rank ", rank, ", ", host, "] ");
}

std::mutex listener_mutex;
std::function<void(const std::string&)>& listener() {
    // Never destroyed: other threads end the process.
    static auto* const function = new std::function<void(const std::string&)>;
    return *function;
}

}  // namespace

std::string Report::encode() const {
    PayloadWriter writer;
    writer.number(rank).text(host).text(beat.phase).number(beat.epoch).number(beat.iter);
    writer.number(beat.step).text(beat.doing).text(beat.waits_in).number(beat.waits.count());
    writer.number(beat.still.count());
    writer.text(text.substr(0, longest_text)).number(status).number(secondary);
    return writer.bytes();
}

Report Report::decode(const std::string& bytes) {
    PayloadReader reader(bytes);
    Report report;
    report.rank = int(reader.number());
    report.host = reader.text();
    report.beat.phase = reader.text();
    report.beat.epoch = reader.number();
    report.beat.iter = reader.number();
    report.beat.step = reader.number();
    report.beat.doing = reader.text();
    report.beat.waits_in = reader.text();
    report.beat.waits = std::chrono::milliseconds(reader.number());
    report.beat.still = std::chrono::milliseconds(reader.number());
    report.text = reader.text();
    report.status = int(reader.number());
    report.secondary = reader.number() != 0;
    return report;
}

std::string failure_line(const Report& report) {
    return concat(who(report.rank, report.host), report.beat.position(), ": ", report.text);
}

std::string hanging_line(int rank, const std::string& host, const Beat& beat,
                         const std::string& text) {
    return concat(who(rank, host), beat.describe(), ": ", text);
}

std::string silent_line(int rank, const std::string& host, const Beat& beat,
                        const std::string& silence) {
    return concat(who(rank, host), "last heard of at ", beat.describe(),
                  ": it has not answered for ", silence, ": stopped, or its host hangs");
}

std::string lost_line(int rank, const std::string& host, const Beat& beat, double seconds_ago) {
    return concat(who(rank, host),
                  "ended without a word (killed?); last heartbeat: ", beat.describe(), ", ",
                  fixed_text(seconds_ago, 1), " s before");
}

const char* signal_name(int signal) noexcept {
    switch (signal) {
        case SIGTERM:
            return "SIGTERM";
        case SIGINT:
            return "SIGINT";
        case SIGHUP:
            return "SIGHUP";
        case SIGUSR2:
            return "SIGUSR2";
    }
    return "a signal";
}

void print_line(std::string line) {
    log_last_words(line);
    if (console_is_drawn_on()) line.insert(line.begin(), '\n');
    line += '\n';
    size_t done = 0;
    while (done < line.size()) {
        const ssize_t written = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0)
            return;  // nobody reads stderr any more, and there is nowhere else to say so
        done += size_t(written);
    }
}

void print_last_words(const std::string& line, const std::string& told) {
    std::function<void(const std::string&)> tell;
    {
        const std::lock_guard lock(listener_mutex);
        tell = listener();
    }
    if (tell) tell(told);
    print_line(line);
}

void print_last_words(const std::string& line) {
    const std::string ours = "ailab: ";
    print_last_words(line, line.starts_with(ours) ? line.substr(ours.size()) : line);
}

void tell_last_words(std::function<void(const std::string&)> tell) {
    const std::lock_guard lock(listener_mutex);
    listener() = std::move(tell);
}

}  // namespace ailab::dist
