#include "distributed/secret.hpp"

#include <gtest/gtest.h>

#include "ailab/error.hpp"
#include "clean_environment.hpp"

namespace ailab::test {
namespace {

using namespace dist;  // NOLINT: the tests of its internals

std::string hex(const std::string& bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

TEST(Hmac, GivesTheValuesOfRfc4231) {
    EXPECT_EQ(hex(hmac(std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hex(hmac("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hex(hmac(std::string(131, '\xaa'),
                       "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    // Python: hmac.new(b"", b"", "sha256")
    EXPECT_EQ(hex(hmac("", "")),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Secrets, AreThoseOfTheUserElseOfMpirun) {
    const std::string mpirun = "999b99bf3c1781f6-f946d4dfd6be6415";
    const auto told = [](const std::map<std::string, std::string>& variables) -> std::string {
        const CleanEnvironment environment(variables);
        const std::optional<Secret> secret = secret_of_environment();
        return secret ? secret->source + " " + secret->text : "none";
    };
    EXPECT_EQ(told({}), "none");
    EXPECT_EQ(told({{"AILAB_SECRET", ""}}), "none");
    EXPECT_EQ(told({{"AILAB_SECRET", "0123456789abcdef"}}), "AILAB_SECRET 0123456789abcdef");
    EXPECT_EQ(told({{"OMPI_MCA_orte_precondition_transports", mpirun}}), "mpirun " + mpirun);
    EXPECT_EQ(told({{"OMPI_MCA_orte_precondition_transports", mpirun},
                    {"AILAB_SECRET", "0123456789abcdef"}}),
              "AILAB_SECRET 0123456789abcdef");
    // Not 128 random bits.
    EXPECT_EQ(told({{"OMPI_MCA_orte_precondition_transports", "0-0"}}), "none");
}

TEST(Secrets, ThatCanBeGuessedAreRefused) {
    const std::map<std::string, std::string> given = {{"AILAB_SECRET", "hunter2"}};
    const CleanEnvironment environment(given);
    try {
        secret_of_environment();
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_EQ(
            std::string(error.what()),
            "environment: AILAB_SECRET has 7 characters; give at least 16 random ones: export "
            "AILAB_SECRET=$(openssl rand -hex 32)");
    }
}

}  // namespace
}  // namespace ailab::test
