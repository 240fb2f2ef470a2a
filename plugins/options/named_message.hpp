#pragma once
#include <string>

namespace ailab {

/// What a module says, behind `metric f1 (F1Score)`: one that begins with its own type is named
/// once.
inline std::string named_message(const std::string& label, std::string message) {
    const size_t begin = label.rfind('(');
    if (begin != std::string::npos && label.ends_with(')')) {
        const std::string type = label.substr(begin + 1, label.size() - begin - 2) + ": ";
        if (message.starts_with(type)) message.erase(0, type.size());
    }
    return label + ": " + message;
}

}  // namespace ailab
