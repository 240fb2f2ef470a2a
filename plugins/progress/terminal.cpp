#include "terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"

namespace ailab {
namespace {

constexpr size_t usual_columns = 80;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

size_t window_columns(int fd) {
    winsize window{};
    return ioctl(fd, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
}

size_t columns_variable() {
    const std::string text = variable("COLUMNS");
    size_t columns = 0;
    std::from_chars(text.data(), text.data() + text.size(), columns);
    return columns;
}

size_t controlling_terminal_columns() {
    const int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return 0;
    const size_t columns = window_columns(fd);
    close(fd);
    return columns;
}

// The cursor stays at the beginning of the line. So a terminal that wraps its text anew when its
// window is narrowed keeps the cursor in the bar's first row, and all of it is replaced.
const char* const to_begin = "\r";
const char* const clear_rest = "\x1b[J";  // of the line and below
// tmux keeps what is cleared from its top left corner on, in what has scrolled away: so it is not
// cleared from the line's first column, which is blanked.
const char* const clear_line = "\r \x1b[J\r\x1b[K";
// A terminal is narrowed some time before the program can know (tmux: up to 250 ms): what has no
// room is cut off then. Wrapped, the bar's upper rows would stay for ever.
const char* const no_wrap = "\x1b[?7l";
const char* const wrap = "\x1b[?7h";

}  // namespace

View choose_view(const std::string& mode, bool is_terminal, const std::string& term) {
    const bool can_go_back = !term.empty() && term != "dumb";
    if (mode == "plain") return View::plain;
    if (mode == "bar") return can_go_back ? View::bar : View::plain;
    return mode == "auto" && is_terminal && can_go_back ? View::bar : View::none;
}

bool is_utf8_locale() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const std::string locale = lower_case(variable(name));
        if (locale.empty()) continue;
        return locale.find("utf-8") != std::string::npos ||
               locale.find("utf8") != std::string::npos;
    }
    return false;
}

size_t terminal_columns(int fd) {
    if (const size_t columns = window_columns(fd)) return columns;
    if (const size_t columns = columns_variable()) return columns;
    if (const size_t columns = controlling_terminal_columns()) return columns;
    return usual_columns;
}

LiveBar::LiveBar(int fd, std::optional<size_t> columns, bool blocks)
    : fd_(fd), columns_(columns), blocks_(blocks) {}

/// One column stays free: terminals differ in what they do after the last one.
std::string LiveBar::line() const {
    const size_t columns = columns_.value_or(terminal_columns(fd_));
    return concat(no_wrap, bar_line(*drawn_, std::max<size_t>(columns, 2) - 1, blocks_), clear_rest,
                  to_begin, wrap);
}

void LiveBar::draw(const BarState& state) {
    const std::lock_guard lock(mutex_);
    drawn_ = state;
    write_all(fd_, to_begin + line());
}

void LiveBar::print_above(const std::string& lines) {
    const std::lock_guard lock(mutex_);
    write_all(fd_, drawn_ ? concat(clear_line, lines, line()) : lines);
}

void LiveBar::keep() {
    const std::lock_guard lock(mutex_);
    if (!drawn_) return;
    drawn_.reset();
    write_all(fd_, "\n");
}

void LiveBar::erase() {
    const std::lock_guard lock(mutex_);
    if (!drawn_) return;
    drawn_.reset();
    write_all(fd_, clear_line);
}

void write_all(int fd, const std::string& text) {
    for (size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        done += size_t(n);
    }
}

}  // namespace ailab
