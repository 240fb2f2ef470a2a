#include "error_context.hpp"

#include <c10/util/Exception.h>

#include "ailab/error.hpp"
#include "config/error_words.hpp"

namespace ailab {

std::string short_message(const std::exception& error) {
    if (const auto* torch = dynamic_cast<const c10::Error*>(&error))
        return torch->what_without_backtrace();
    return error_words(error);
}

namespace {

/// A module that begins its message with its own name is named once: `loss "NLLLoss": NLLLoss: …`.
std::string joined(const std::string& where, std::string message) {
    const size_t end = where.find_last_not_of("\")") + 1;
    const size_t begin = where.find_last_of(" \"(", end - 1) + 1;
    const std::string name = end > begin ? where.substr(begin, end - begin) + ": " : "";
    if (!name.empty() && message.starts_with(name)) message.erase(0, name.size());
    return concat(where, ": ", message);
}

}  // namespace

void rethrow_with(const std::string& where, const std::string& hint) {
    try {
        throw;
    } catch (const ConfigError&) {
        throw;
    } catch (const std::exception& error) {
        throw Error(joined(where, short_message(error)) + hint);
    } catch (...) {
        throw Error(concat(where, ": an exception of unknown type", hint));
    }
}

}  // namespace ailab
