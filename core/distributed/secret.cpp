#include "secret.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"
#include "environment.hpp"

namespace ailab::dist {
namespace {

/// Whoever connects may try guesses at home: what people think up is found that way.
constexpr size_t shortest_secret = 16;

/// mpirun reads 128 bits from /dev/urandom for each job and gives them to every rank of it:
/// 999b99bf3c1781f6-f946d4dfd6be6415. Other users cannot read a process's environment.
bool is_mpirun_key(const std::string& text) {
    const auto digits = std::count_if(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isxdigit(c) != 0; });
    return digits >= 32;
}

}  // namespace

std::optional<Secret> secret_of_environment() {
    if (const auto text = environment("AILAB_SECRET")) {
        if (text->size() < shortest_secret)
            throw ConfigError(concat("environment: AILAB_SECRET has ", text->size(),
                                     " characters; give at least ", shortest_secret,
                                     " random ones: export AILAB_SECRET=$(openssl rand -hex 32)"));
        return Secret{*text, "AILAB_SECRET"};
    }
    if (const auto key = environment("OMPI_MCA_orte_precondition_transports"))
        if (is_mpirun_key(*key)) return Secret{*key, "mpirun"};
    return std::nullopt;
}

std::string random_bytes(size_t count) {
    std::string bytes(count, '\0');
    for (size_t filled = 0; filled < count;) {
        const ssize_t got = ::getrandom(bytes.data() + filled, count - filled, 0);
        if (got < 0 && errno != EINTR)
            throw Error(concat("getrandom failed: ", std::strerror(errno)));
        if (got > 0) filled += size_t(got);
    }
    return bytes;
}

std::string hmac(std::string_view key, std::string_view text) {
    // A rank whose plugin calls exit() still says so, after OpenSSL would have cleaned up.
    [[maybe_unused]] static const int kept = ::OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    if (!::HMAC(EVP_sha256(), key.data(), int(key.size()),
                reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                reinterpret_cast<unsigned char*>(digest.data()), &size))
        throw Error("OpenSSL's HMAC-SHA256 failed");
    digest.resize(size);
    return digest;
}

bool equal_in_secret(std::string_view one, std::string_view other) {
    return one.size() == other.size() && ::CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace ailab::dist
