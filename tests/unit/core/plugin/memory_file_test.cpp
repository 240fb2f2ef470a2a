#include "plugin/memory_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ailab::plugin {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(MemoryFile, NobodyCanChangeIt) {
    const MemoryFile file("libmy.so", "hello");
    EXPECT_EQ(content_of(file.path()), "hello");
    EXPECT_FALSE(std::ofstream(file.path(), std::ios::in | std::ios::out).put('x').flush());
    EXPECT_FALSE(std::ofstream(file.path(), std::ios::app).put('x').flush());
    std::error_code error;
    std::filesystem::resize_file(file.path(), 0, error);
    EXPECT_TRUE(error);
    EXPECT_EQ(content_of(file.path()), "hello");
}

TEST(MemoryFile, EachHasItsOwnPathAndAnyName) {
    const MemoryFile one(std::string(1000, 'x'), "1"), empty("", ""),
        other("a/b", std::string(1 << 20, 'y'));
    EXPECT_EQ(content_of(one.path()), "1");
    EXPECT_EQ(content_of(empty.path()), "");
    EXPECT_EQ(content_of(other.path()).size(), size_t(1) << 20);
}

}  // namespace
}  // namespace ailab::plugin
