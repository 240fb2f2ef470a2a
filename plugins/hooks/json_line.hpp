#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ailab {

/// One JSON object on one line, its members in the order they are added.
class JsonLine {
  public:
    JsonLine& add(const std::string& key, const std::string& text);
    JsonLine& add(const std::string& key, int64_t number);
    /// The shortest text that reads back to the same number; null for NaN and infinities, which
    /// JSON does not have.
    JsonLine& add(const std::string& key, double number);
    JsonLine& add(const std::string& key, const std::vector<int64_t>& numbers);
    std::string str() const { return "{" + text_ + "}"; }

  private:
    void key(const std::string& key);
    std::string text_;
};

}  // namespace ailab
