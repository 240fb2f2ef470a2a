#pragma once
// Errors. Anything derived from std::exception may be thrown by a plugin; the core adds which
// plugin, module, rank, phase and step it came from.
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ailab/export.hpp"
#include "ailab/node.hpp"

namespace ailab {

namespace detail {
AILAB_API std::string concat_parts(std::initializer_list<std::string> parts);
inline std::string to_text(const std::string& s) {
    return s;
}
inline std::string to_text(const char* s) {
    return s;
}
inline std::string to_text(char c) {
    return std::string(1, c);
}
inline std::string to_text(bool b) {
    return b ? "true" : "false";
}
AILAB_API std::string to_text(double value);
template <class T>
requires std::is_integral_v<T> std::string to_text(T value) {
    return std::to_string(value);
}
inline std::string to_text(std::string_view s) {
    return std::string(s);
}
}  // namespace detail

/// Joins strings, numbers and bools to one string: concat("epoch ", 3, " of ", n).
template <class... Parts>
std::string concat(const Parts&... parts) {
    return detail::concat_parts({detail::to_text(parts)...});
}

/// The run failed (exit status 1). The text says where, what was wrong, and what to do.
class AILAB_API Error : public std::runtime_error {
  public:
    explicit Error(const std::string& text) : std::runtime_error(text) {}
    ~Error() override;
};

/// One mistake in the configuration.
struct Problem {
    Place place;
    std::string text;
};

/// The configuration or the command line is wrong (exit status 2): all mistakes found, in the order
/// of their places. what() is one line each, "file:line:col: text".
class AILAB_API ConfigError : public Error {
  public:
    explicit ConfigError(std::vector<Problem> problems);
    explicit ConfigError(const std::string& text);
    ~ConfigError() override;

    const std::vector<Problem>& problems() const { return problems_; }

  private:
    std::vector<Problem> problems_;
};

/// Collects mistakes so that the user sees all of them at once. Not thread-safe.
class AILAB_API Problems {
  public:
    void add(const Place& place, std::string text);
    bool empty() const { return list_.empty(); }
    size_t size() const { return list_.size(); }
    const std::vector<Problem>& list() const { return list_; }
    /// Throws ConfigError if there is any.
    void check() const;

  private:
    std::vector<Problem> list_;
};

/// `did you mean "betas"?`-style suggestion: the nearest of `known` to `name` by edit distance, or
/// "".
AILAB_API std::string nearest_name(const std::string& name, const std::vector<std::string>& known);
/// "a, b, c".
AILAB_API std::string join(const std::vector<std::string>& items,
                           const std::string& separator = ", ");

}  // namespace ailab
