#pragma once
// The terminal that the bar is drawn on. Nothing that it is told needs taking back later: the bar
// is one line of plain text, without colours, and the cursor stays visible at its beginning.
#include <mutex>
#include <optional>
#include <string>

#include "bar_line.hpp"

namespace ailab {

enum class View { none, bar, plain };

/// What a mode (auto, bar, plain, off) means here. `term`: $TERM. A terminal that cannot go back in
/// its line gets plain lines where a bar is asked for.
View choose_view(const std::string& mode, bool is_terminal, const std::string& term);

/// Whether the locale's text is UTF-8.
bool is_utf8_locale();

/// Columns of the terminal at `fd`; if there is none, as $COLUMNS or the controlling terminal say
/// (mpirun takes a rank's stderr through a pipe); else 80.
size_t terminal_columns(int fd);

/// A line that is drawn over and over below what else is printed. Thread-safe. A terminal that is
/// gone is no error: nobody is looking.
class LiveBar {
  public:
    /// `columns`: in place of the terminal's.
    LiveBar(int fd, std::optional<size_t> columns, bool blocks);

    void draw(const BarState& state);
    /// Whole lines.
    void print_above(const std::string& lines);
    /// What is drawn stays, and the next output begins below it.
    void keep();
    void erase();

  private:
    std::string line() const;

    const int fd_;
    const std::optional<size_t> columns_;
    const bool blocks_;
    std::mutex mutex_;
    std::optional<BarState> drawn_;
};

/// Writes all of it, as far as it can.
void write_all(int fd, const std::string& text);

}  // namespace ailab
