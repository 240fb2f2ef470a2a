// What is said of an exception.
#include "config/error_words.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ailab/error.hpp"

namespace ailab {
namespace {

TEST(ErrorWords, NameTheFileAndTheReason) {
    using std::filesystem::filesystem_error;
    const auto reason = std::make_error_code(std::errc::too_many_symbolic_link_levels);
    EXPECT_EQ(error_words(filesystem_error("status", "a/loop", reason)),
              "a/loop: Too many levels of symbolic links");
    EXPECT_EQ(error_words(filesystem_error("cannot rename", "a", "b", reason)),
              "a and b: Too many levels of symbolic links");
    EXPECT_EQ(error_words(filesystem_error("cannot make absolute path", "", reason)),
              "a file's name is empty: Too many levels of symbolic links");
    EXPECT_EQ(error_words(Error("as\nit is")), "as\nit is");
}

TEST(ErrorWords, LeaveTheBacktraceOut) {
    EXPECT_EQ(
        error_words(Error("no room\nException raised from f at a.cpp:7 (most recent call first):\n"
                          "frame #0: c10::Error")),
        "no room");
    EXPECT_EQ(error_words(Error("[enforce fail at a.cc:7] . no room\nframe #0: c10::Throw")),
              "[enforce fail at a.cc:7] . no room");
}

}  // namespace
}  // namespace ailab
