#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace ailab {

/// The files that the words of a command line stand for, one after another: a file as it is, the
/// images of a folder and those below it by name, what a pattern matches, and for "-" the lines of
/// standard input as they come. Names are not checked: who opens them does.
class InputList {
  public:
    explicit InputList(std::vector<std::string> words);

    /// Waits for standard input. Throws Error for a folder or pattern without any image.
    std::optional<std::string> next();
    /// Files there are to come, if that is known: not with standard input.
    std::optional<int64_t> count() const;

  private:
    std::deque<std::string> words_;
    std::deque<std::string> files_;  // of the word before
    bool reads_stdin_ = false;
};

}  // namespace ailab
