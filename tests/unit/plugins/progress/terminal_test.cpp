// What is written to the terminal, and when it is a terminal to draw on.
#include "progress/terminal.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>

namespace ailab {
namespace {

struct Choice {
    std::string mode;
    bool is_terminal;
    std::string term;
    View view;
};

TEST(Terminal, ChoosesAViewByModeAndPlace) {
    const std::vector<Choice> table = {
        {"auto", true, "xterm-256color", View::bar}, {"auto", false, "xterm-256color", View::none},
        {"auto", true, "dumb", View::none},          {"auto", true, "", View::none},
        {"bar", true, "xterm", View::bar},           {"bar", false, "xterm", View::bar},
        {"bar", false, "dumb", View::plain},         {"bar", false, "", View::plain},
        {"plain", true, "xterm", View::plain},       {"plain", false, "", View::plain},
        {"off", true, "xterm", View::none},          {"off", false, "", View::none},
    };
    for (const Choice& row : table)
        EXPECT_EQ(choose_view(row.mode, row.is_terminal, row.term), row.view)
            << row.mode << " " << row.is_terminal << " " << row.term;
}

/// Sets variables of the environment, and takes them back.
class Variables {
  public:
    explicit Variables(const std::vector<std::pair<std::string, std::string>>& values) {
        for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG", "COLUMNS"}) {
            const char* value = getenv(name);
            before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
            unsetenv(name);
        }
        for (const auto& [name, value] : values) setenv(name.c_str(), value.c_str(), 1);
    }
    ~Variables() {
        for (const auto& [name, value] : before_)
            value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
    Variables(const Variables&) = delete;
    Variables& operator=(const Variables&) = delete;

  private:
    std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST(Terminal, KnowsWhetherTheLocaleIsUtf8) {
    using Values = std::vector<std::pair<std::string, std::string>>;
    const std::vector<std::pair<Values, bool>> table = {
        {{}, false},
        {{{"LANG", "zh_CN.UTF-8"}}, true},
        {{{"LANG", "C.utf8"}}, true},
        {{{"LANG", "C"}}, false},
        {{{"LANG", "zh_CN.UTF-8"}, {"LC_ALL", "C"}}, false},
        {{{"LANG", "C"}, {"LC_CTYPE", "en_US.UTF-8"}}, true},
        {{{"LANG", "zh_CN.GB18030"}}, false},
        {{{"LC_ALL", ""}, {"LANG", "en_US.UTF-8"}}, true},
    };
    for (const auto& [values, utf8] : table) {
        const Variables variables(values);
        EXPECT_EQ(is_utf8_locale(), utf8);
    }
}

/// Both ends of a pseudo-terminal.
class Pty {
  public:
    explicit Pty(unsigned short columns) {
        winsize window{.ws_row = 24, .ws_col = columns};
        if (openpty(&screen_, &program_, nullptr, nullptr, &window) != 0)
            throw std::runtime_error("openpty failed");
    }
    ~Pty() {
        ::close(screen_);
        ::close(program_);
    }
    Pty(const Pty&) = delete;
    Pty& operator=(const Pty&) = delete;

    int program() const { return program_; }
    void resize(unsigned short columns) const {
        const winsize window{.ws_row = 24, .ws_col = columns};
        ioctl(screen_, TIOCSWINSZ, &window);
    }
    std::string written() const {
        char text[4096];
        const ssize_t n = ::read(screen_, text, sizeof text);
        return std::string(text, size_t(std::max<ssize_t>(n, 0)));
    }

  private:
    int screen_ = -1;
    int program_ = -1;
};

TEST(Terminal, AsksForItsColumnsEachTime) {
    const std::vector<std::pair<std::string, std::string>> given = {{"COLUMNS", "33"}};
    const Variables variables(given);
    const Pty pty(120);
    EXPECT_EQ(terminal_columns(pty.program()), 120u);
    pty.resize(40);
    EXPECT_EQ(terminal_columns(pty.program()), 40u);
    pty.resize(0);  // not told
    EXPECT_EQ(terminal_columns(pty.program()), 33u);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_EQ(terminal_columns(ends[1]), 33u);
    ::close(ends[0]);
    ::close(ends[1]);
}

const BarState state{
    .phase = "val", .outer = 1, .outer_total = 2, .samples = 1, .total_samples = 2};
const std::string drawn = "\x1b[?7l1/2 val  50%|##  | ?\x1b[J\r\x1b[?7h";  // 20 columns
const std::string cleared = "\r \x1b[J\r\x1b[K";

TEST(LiveBar, IsReplacedInPlaceAndKeepsTheCursorAtItsBegin) {
    const Pty pty(21);
    LiveBar bar(pty.program(), {}, false);
    bar.draw(state);
    EXPECT_EQ(pty.written(), "\r" + drawn);
    pty.resize(25);
    bar.draw(state);
    EXPECT_EQ(pty.written(), "\r\x1b[?7l1/2 val  50%|####    | ?\x1b[J\r\x1b[?7h");
    bar.erase();
    EXPECT_EQ(pty.written(), cleared);
    bar.draw(state);
    pty.written();
    bar.keep();
    EXPECT_EQ(pty.written(), "\r\n");  // the terminal makes this of a newline
}

TEST(LiveBar, PutsLinesAboveItself) {
    const Pty pty(21);
    LiveBar bar(pty.program(), {}, false);
    bar.print_above("before it is drawn\n");
    EXPECT_EQ(pty.written(), "before it is drawn\r\n");
    bar.draw(state);
    pty.written();
    bar.print_above("one\ntwo\n");
    EXPECT_EQ(pty.written(), cleared + "one\r\ntwo\r\n" + drawn);
    bar.keep();
    pty.written();
    bar.print_above("after\n");
    EXPECT_EQ(pty.written(), "after\r\n");
}

TEST(LiveBar, TakesAGivenWidth) {
    const Pty pty(200);
    LiveBar bar(pty.program(), 21, false);
    bar.draw(state);
    EXPECT_EQ(pty.written(), "\r" + drawn);
}

TEST(LiveBar, DoesNotMindATerminalThatIsGone) {
    LiveBar bar(-1, 21, false);
    bar.draw(state);
    bar.print_above("line\n");
    bar.erase();
}

}  // namespace
}  // namespace ailab
