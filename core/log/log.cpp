#include "log.hpp"

#include <spdlog/pattern_formatter.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ailab/log.hpp"
#include "ailab/support/utf8.hpp"
#include "file_sink.hpp"

namespace ailab {
namespace {

/// MMEngine's level names.
class LevelName final : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& out) override {
        std::string_view name = "INFO";
        if (message.level == spdlog::level::debug) name = "DEBUG";
        if (message.level == spdlog::level::warn) name = "WARNING";
        if (message.level == spdlog::level::err) name = "ERROR";
        out.append(name.data(), name.data() + name.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<LevelName>();
    }
};

/// MMEngine's line: "2026-01-01 12:00:00,000 - ailab - INFO - text".
std::unique_ptr<spdlog::formatter> line_format() {
    auto format = std::make_unique<spdlog::pattern_formatter>();
    format->add_flag<LevelName>('*').set_pattern("%Y-%m-%d %H:%M:%S,%e - ailab - %* - %v");
    return format;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

/// Lines kept for the file of a run that never opens one.
constexpr size_t most_early_lines = 1000;

/// How long the last message waits for the log.
constexpr std::chrono::milliseconds patience{200};

std::atomic<bool> drawn_on{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // read in a signal handler

/// The one log of the process. Never destroyed: static destructors may still log.
class Log {
  public:
    static Log& instance() {
        static Log* log = new Log;
        return *log;
    }

    void set_rank(int rank, int world) {
        const std::lock_guard lock(mutex_);
        rank_ = rank;
        world_ = world;
        keep_early_ = true;
        early_.clear();
    }

    void write(LogLevel level, const std::string& text) {
        const std::lock_guard lock(mutex_);
        const bool for_every_rank = level >= LogLevel::warning;
        if (rank_ != 0 && !for_every_rank) return;
        if (level == LogLevel::warning && collect_) return collect_(text);
        put(level, for_every_rank && world_ > 1 ? concat("[rank ", rank_, "] ", text) : text);
    }

    void write_collected(const std::string& text) {
        const std::lock_guard lock(mutex_);
        put(LogLevel::warning, text);
    }

    void write_last_words(const std::string& text) {
        const std::unique_lock lock(mutex_, patience);
        if (lock && file_) file_->write(formatted(LogLevel::error, text));
    }

    void collect(std::function<void(const std::string&)> function) {
        const std::lock_guard lock(mutex_);
        collect_ = std::move(function);
    }

    void open(const std::string& path) {
        std::unique_ptr<FileSink> file;
        if (!path.empty()) file = std::make_unique<FileSink>(path);
        const std::lock_guard lock(mutex_);
        file_ = std::move(file);
        if (!file_) return;
        for (const std::string& line : early_) to_file(line);
        early_.clear();
        keep_early_ = false;
    }

    void print_through(std::function<void(const std::string&)> writer) {
        const std::lock_guard lock(mutex_);
        writer_ = std::move(writer);
        drawn_on = bool(writer_);
    }

  private:
    void put(LogLevel level, const std::string& text) {
        const std::string line = formatted(level, text);
        if (level != LogLevel::debug) print(line);
        if (file_) to_file(line);
        if (keep_early_ && early_.size() < most_early_lines) early_.push_back(line);
    }

    void to_file(const std::string& line) {
        if (const std::optional<std::string> problem = file_->write(line))
            print(formatted(LogLevel::warning, *problem));
    }

    /// With one call, so that the lines of several ranks do not mix; stderr has no buffer.
    void print(const std::string& line) {
        if (writer_)
            writer_(line);
        else
            std::fwrite(line.data(), 1, line.size(), stderr);
    }

    std::string formatted(LogLevel level, const std::string& text) {
        const std::string valid = valid_utf8(text);  // names of files need not be any
        spdlog::memory_buf_t line;
        format_->format(spdlog::details::log_msg("ailab", spdlog_level(level), valid), line);
        return std::string(line.data(), line.size());
    }

    std::timed_mutex mutex_;
    const std::unique_ptr<spdlog::formatter> format_ = line_format();
    std::unique_ptr<FileSink> file_;
    std::function<void(const std::string&)> writer_;   // in place of stderr
    std::function<void(const std::string&)> collect_;  // takes warnings
    int rank_ = 0;
    int world_ = 1;
    bool keep_early_ = false;
    std::vector<std::string> early_;  // lines of this run from before its file was opened
};

}  // namespace

void set_log_rank(int rank, int world) {
    Log::instance().set_rank(rank, world);
}

void log(LogLevel level, const std::string& line) {
    Log::instance().write(level, line);
}

void collect_warnings(std::function<void(const std::string&)> collect) {
    Log::instance().collect(std::move(collect));
}

void log_collected(const std::string& text) {
    Log::instance().write_collected(text);
}

void log_last_words(const std::string& text) {
    Log::instance().write_last_words(text);
}

bool console_is_drawn_on() noexcept {
    return drawn_on;
}

void log_through(std::function<void(const std::string&)> writer) {
    Log::instance().print_through(std::move(writer));
}

void log_to_file(const std::string& path) {
    Log::instance().open(path);
}

}  // namespace ailab
