#pragma once
#include <cstdlib>
#include <map>
#include <string>

extern char** environ;

namespace ailab::test {

/// The environment holds exactly these variables while it lives.
class CleanEnvironment {
  public:
    explicit CleanEnvironment(const std::map<std::string, std::string>& variables) {
        for (char** each = environ; each && *each; ++each) {
            const std::string text = *each;
            before_[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
        }
        ::clearenv();
        set(variables);
    }
    ~CleanEnvironment() {
        ::clearenv();
        set(before_);
    }
    CleanEnvironment(const CleanEnvironment&) = delete;
    CleanEnvironment& operator=(const CleanEnvironment&) = delete;

  private:
    static void set(const std::map<std::string, std::string>& variables) {
        for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    }
    std::map<std::string, std::string> before_;
};

}  // namespace ailab::test
