#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ailab::app {

inline constexpr const char* see_help = " See ailab-run --help.";

/// " Did you mean train?", or "".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

/// The options of a command line. Everything that reads one throws ConfigError that says what to
/// type instead.
class Options {
  public:
    explicit Options(const std::vector<std::string>& arguments);
    ~Options();

    /// What is no option and belongs to none.
    std::vector<std::string> words() const { return texts("words"); }
    bool given(const std::string& option) const;
    bool flag(const std::string& option) const;
    /// "" when it is not given.
    std::string text(const std::string& option) const;
    std::vector<std::string> texts(const std::string& option) const;
    /// The same, each split at its commas.
    std::vector<std::string> items(const std::string& option) const;
    /// One of a few, or "".
    std::string choice(const std::string& option, const std::vector<std::string>& choices) const;
    /// A whole number from 1 to `most`.
    int64_t positive(const std::string& option, int64_t usual, int64_t most) const;

  private:
    struct Values;
    std::unique_ptr<const Values> values_;
};

/// The whole of `text` as a number of 0 or more; `option` is whose value it is.
int64_t whole_number(const std::string& option, const std::string& text);

}  // namespace ailab::app
