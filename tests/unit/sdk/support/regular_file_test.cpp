// Why what was named as a file cannot be read.
#include "ailab/support/regular_file.hpp"

#include <gtest/gtest.h>

namespace ailab {
namespace {

TEST(RegularFile, SaysWhyItCannotBeRead) {
    const struct {
        std::string path, problem;
    } table[] = {
        {"/nowhere/a.png", "No such file or directory"},
        {"/etc/hostname/a.png", "Not a directory"},
        {"/", "it is a folder"},
        {"/dev/zero", "it is a device"},
        {"", "its name is empty"},
        {std::string("/etc/hostname\0/etc/hosts", 24), "its name holds the character 0"},
        {"https://nowhere/a.png", "it is an address, and only files are read; fetch it first"},
        {"s3://bucket/shard-000.tar", "it is an address, and only files are read; fetch it first"},
        {"/proc/self/status", ""},
    };
    for (const auto& [path, problem] : table)
        EXPECT_EQ(RegularFile(path).problem(), problem) << path;
}

}  // namespace
}  // namespace ailab
