#include "regex_problem.hpp"

#include <regex>

#include "ailab/error.hpp"
#include "config/scalar.hpp"

namespace ailab {

std::string regex_problem(const std::string& key, const std::string& pattern) {
    try {
        const std::regex valid(pattern);
        return "";
    } catch (const std::regex_error& error) {
        return concat(key, ": ", in_quotes(pattern), " is no regular expression: ", error.what());
    }
}

}  // namespace ailab
