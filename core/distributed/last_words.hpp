#pragma once
// The one message with which a job ends.
#include <functional>
#include <string>

#include "heartbeat.hpp"

namespace ailab::dist {

/// Why a rank wants the job to end.
struct Report {
    int rank = 0;
    std::string host;
    Beat beat;
    std::string text;
    int status = 1;
    /// Likely a consequence of what happened on another rank: that one's report is to be preferred.
    bool secondary = false;

    std::string encode() const;
    static Report decode(const std::string& bytes);
};

/// "ailab: [rank 2, node07] train, epoch 3, iter 17, step 412: <text>".
std::string failure_line(const Report& report);
/// The same of a rank that keeps the others waiting, with what it does there.
std::string hanging_line(int rank, const std::string& host, const Beat& beat,
                         const std::string& text);
/// Of a rank that gives no sign of life, for so long: where it is now nobody knows.
std::string silent_line(int rank, const std::string& host, const Beat& beat,
                        const std::string& silence);
/// "ailab: [rank 1, node07] ended without a word (killed?); last heartbeat: train, …, 0.4 s
/// before".
std::string lost_line(int rank, const std::string& host, const Beat& beat, double seconds_ago);

/// "SIGTERM".
const char* signal_name(int signal) noexcept;

/// One write to stderr, so that lines of several processes do not mix; and to the log file.
void print_line(std::string line);

/// print_line() of why this process, or the job, ends; `told` says it to those who know whose run
/// it is.
void print_last_words(const std::string& line, const std::string& told);
/// The same of a line that begins with "ailab: ".
void print_last_words(const std::string& line);
/// Who is told that too, on the thread that ends the process. It must not throw.
void tell_last_words(std::function<void(const std::string& told)> tell);

}  // namespace ailab::dist
