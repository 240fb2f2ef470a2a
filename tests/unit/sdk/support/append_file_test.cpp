// What is appended to a file is there whole, or not at all.
#include "ailab/support/append_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "temporary_folder.hpp"

namespace ailab {
namespace {

using As = AppendFile::As;

class AppendFiles : public testing::Test {
  protected:
    static std::string content(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static std::string error_of_opening(const std::string& path, As as) {
        try {
            AppendFile(path, as);
            return "";
        } catch (const std::exception& error) {
            return error.what();
        }
    }
    TemporaryFolder folder;
};

TEST_F(AppendFiles, AreMadeOrGoneOnWith) {
    const std::string there = folder.write("there", "ab\n"), none = folder.path("none");
    EXPECT_EQ(error_of_opening(there, As::made), concat("cannot write ", there, ": File exists"));
    EXPECT_EQ(error_of_opening(none, As::there),
              concat("cannot write ", none, ": No such file or directory"));
    for (const As as : {As::there, As::made_or_there}) {
        AppendFile file(there, as);
        EXPECT_TRUE(file.is_open());
        EXPECT_EQ(file.last(), '\n');
        EXPECT_EQ(file.append("c\n"), "");
    }
    EXPECT_EQ(content(there), "ab\nc\nc\n");
    AppendFile made(none, As::made);
    EXPECT_EQ(made.size(), 0);
    EXPECT_EQ(made.last(), '\0');
    EXPECT_EQ(made.append("123456"), "");
    made.cut_to(3);
    EXPECT_EQ(made.append("x"), "");
    EXPECT_EQ(made.size(), 4);
    EXPECT_EQ(content(none), "123x");
}

TEST_F(AppendFiles, HoldNothingTornWhereTheDiskIsFull) {
    AppendFile file(folder.path("file"), As::made);
    EXPECT_EQ(file.append("12345678"), "");
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before;
    limit.rlim_cur = 10;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(file.append("abcdefgh"), "File too large");  // two of them fit
    EXPECT_EQ(content(file.path()), "12345678");
    EXPECT_EQ(file.append("ij"), "") << "what fits is written again";
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(file.append("kl"), "");
    EXPECT_EQ(content(file.path()), "12345678ijkl");
    file.close();
    EXPECT_FALSE(file.is_open());
    EXPECT_EQ(file.append("m"), "Bad file descriptor");
}

}  // namespace
}  // namespace ailab
