// What is said of where an error comes from.
#include "host/error_context.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace ailab {
namespace {

std::string told(const std::string& where, const std::string& message) {
    try {
        try {
            throw std::runtime_error(message);
        } catch (...) {
            rethrow_with(where, "; try X");
        }
    } catch (const std::exception& error) {
        return error.what();
    }
}

TEST(ErrorContext, NamesAModuleOnce) {
    const struct {
        const char *where, *message, *told;
    } rows[] = {
        {"loss \"NLLLoss\"", "NLLLoss: a target is 9", "loss \"NLLLoss\": a target is 9; try X"},
        {"metric f (F1Score)", "F1Score: 3 targets", "metric f (F1Score): 3 targets; try X"},
        {"loss \"NLLLoss\"", "a target is 9", "loss \"NLLLoss\": a target is 9; try X"},
        {"loss \"Sum\"", "NLLLoss: a target is 9", "loss \"Sum\": NLLLoss: a target is 9; try X"},
        {"loss \"NLLLoss\"", "NLLLoss", "loss \"NLLLoss\": NLLLoss; try X"},
        {"hook \"a\", after_run", "after_run: no", "hook \"a\", after_run: no; try X"},
        {"", "NLLLoss: a", ": NLLLoss: a; try X"},
    };
    for (const auto& row : rows) EXPECT_EQ(told(row.where, row.message), row.told);
}

}  // namespace
}  // namespace ailab
