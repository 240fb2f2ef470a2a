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

void rethrow_with(const std::string& where, const std::string& hint) {
    try {
        throw;
    } catch (const ConfigError&) {
        throw;
    } catch (const std::exception& error) {
        throw Error(concat(where, ": ", short_message(error), hint));
    } catch (...) {
        throw Error(concat(where, ": an exception of unknown type", hint));
    }
}

}  // namespace ailab
