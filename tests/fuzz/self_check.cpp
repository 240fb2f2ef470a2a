// A parser with a mistake, for the test of what becomes of a finding. Not among the others.
#include <stdexcept>

#include "target.hpp"

namespace ailab::fuzz {
namespace {

void self_check(const std::string& input) {
    if (input.starts_with("bug")) throw std::logic_error("the mistake of the self-check");
}

const Registration self_check_target({.name = "self_check", .run = self_check, .listed = false});

}  // namespace
}  // namespace ailab::fuzz
