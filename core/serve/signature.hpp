#pragma once
// Ed25519 signatures (RFC 8032) by OpenSSL, with keys in the files that its tool writes:
//
//     openssl genpkey -algorithm ed25519 -out private.pem
//     openssl pkey -in private.pem -pubout -out public.pem
#include <cstdint>
#include <memory>
#include <string>

extern "C" {
struct evp_pkey_st;
}

namespace ailab {

/// SHA-256 of bytes, in hex.
std::string sha256(const void* data, uint64_t size);

/// The two halves of a key.
enum class KeyHalf { private_key, public_key };

class SignatureKey {
  public:
    /// Reads a PEM file; one that is encrypted asks for its pass phrase in the terminal. Throws
    /// ConfigError that says what the file is instead, and what to do.
    SignatureKey(const std::string& path, KeyHalf half);

    /// The public half, in hex: the same for both halves of one key.
    std::string name() const;
    /// The signature of a text, in hex. Of a private key alone.
    std::string sign(const std::string& text) const;
    /// Whether the private half of this key signed the text.
    bool verify(const std::string& text, const std::string& signature) const;

  private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    std::unique_ptr<evp_pkey_st, Free> key_;
};

}  // namespace ailab
