#include "log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <mutex>
#include <string>

#include "ailab/log.hpp"
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
    }

    void write(LogLevel level, const std::string& line) {
        const std::lock_guard lock(mutex_);
        const bool for_every_rank = level >= LogLevel::warning;
        if (rank_ != 0 && !for_every_rank) return;
        const std::string text =
            for_every_rank && world_ > 1 ? "[rank " + std::to_string(rank_) + "] " + line : line;
        const spdlog::details::log_msg message("ailab", spdlog_level(level), text);
        if (level != LogLevel::debug) {
            console_->log(message);
            console_->flush();
        }
        if (file_) file_->log(message);
    }

    void open(const std::string& path) {
        std::unique_ptr<FileSink> file;
        if (!path.empty()) {
            file = std::make_unique<FileSink>(path);
            file->set_formatter(line_format());
        }
        const std::lock_guard lock(mutex_);
        file_ = std::move(file);
    }

  private:
    Log() : console_(std::make_unique<spdlog::sinks::stderr_sink_st>()) {
        console_->set_formatter(line_format());
    }

    std::mutex mutex_;
    std::unique_ptr<spdlog::sinks::stderr_sink_st> console_;
    std::unique_ptr<FileSink> file_;
    int rank_ = 0;
    int world_ = 1;
};

}  // namespace

void set_log_rank(int rank, int world) {
    Log::instance().set_rank(rank, world);
}

void log(LogLevel level, const std::string& line) {
    Log::instance().write(level, line);
}

void log_to_file(const std::string& path) {
    Log::instance().open(path);
}

}  // namespace ailab
