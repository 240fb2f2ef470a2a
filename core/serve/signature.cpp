#include "signature.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "ailab/error.hpp"
#include "files/input_file.hpp"

namespace ailab {
namespace {

constexpr size_t key_bytes = 32;
constexpr size_t signature_bytes = 64;
constexpr uint64_t longest_key_file = 1 << 16;

struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const auto* as_bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

[[noreturn]] void fail_inside(const char* what) {
    throw Error(concat("OpenSSL cannot ", what));
}

std::string hex_of(const unsigned char* bytes, size_t count) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (size_t i = 0; i < count; ++i) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

/// One text for one value: lower case alone.
std::optional<std::string> from_hex(const std::string& text) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    if (text.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    for (size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += char(high * 16 + low);
    }
    return bytes;
}

/// Called for an encrypted key.
int ask_pass_phrase(char* to, int room, int writing, void* asked) {
    *static_cast<bool*>(asked) = true;
    return isatty(STDIN_FILENO) ? PEM_def_callback(to, room, writing, nullptr) : -1;
}

const char* describe(KeyHalf half) {
    return half == KeyHalf::private_key ? "private" : "public";
}

/// Why a file is not the key that was wanted.
std::string complaint(const std::string& path, const std::string& text, KeyHalf half, bool asked) {
    const bool is_private = text.find("PRIVATE KEY-----") != std::string::npos;
    const bool is_public = text.find("PUBLIC KEY-----") != std::string::npos;
    if (asked)
        return concat(path, isatty(STDIN_FILENO)
                                ? " cannot be decrypted: the pass phrase is wrong"
                                : " is encrypted, and there is no terminal to ask for its pass "
                                  "phrase in");
    if (half == KeyHalf::public_key && is_private)
        return concat(path,
                      " holds a private key, which signs; its public half is made by openssl "
                      "pkey -in ",
                      path, " -pubout -out public.pem");
    if (half == KeyHalf::private_key && is_public)
        return concat(path,
                      " holds a public key, which checks signatures; to sign give the private "
                      "key that it was made of");
    return concat(path, " holds no ", describe(half),
                  " key in PEM form; openssl genpkey -algorithm ed25519 -out private.pem makes one",
                  half == KeyHalf::public_key
                      ? ", and openssl pkey -in private.pem -pubout -out public.pem its public half"
                      : "");
}

EVP_PKEY* read_key(const std::string& path, KeyHalf half) {
    const InputFile file(path);
    if (file.size() > longest_key_file)
        throw ConfigError(concat(path, " has ", file.size(), " bytes, and is no key"));
    std::string text = file.read_all();
    const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(text.data(), int(text.size())));
    if (!bio) fail_inside("read a key");
    bool asked = false;
    EVP_PKEY* key = half == KeyHalf::private_key
                        ? PEM_read_bio_PrivateKey(bio.get(), nullptr, ask_pass_phrase, &asked)
                        : PEM_read_bio_PUBKEY(bio.get(), nullptr, ask_pass_phrase, &asked);
    const std::string why = key ? "" : complaint(path, text, half, asked);
    OPENSSL_cleanse(text.data(), text.size());
    if (!key) throw ConfigError(why);
    return key;
}

}  // namespace

std::string sha256(const void* data, uint64_t size) {
    std::array<unsigned char, 32> digest;
    unsigned int length = 0;
    if (EVP_Digest(data, size, digest.data(), &length, EVP_sha256(), nullptr) != 1 ||
        length != digest.size())
        fail_inside("compute SHA-256");
    return hex_of(digest.data(), digest.size());
}

void SignatureKey::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

SignatureKey::SignatureKey(const std::string& path, KeyHalf half) : key_(read_key(path, half)) {
    const int type = EVP_PKEY_base_id(key_.get());
    if (type == EVP_PKEY_ED25519) return;
    const char* name = OBJ_nid2sn(type);
    throw ConfigError(concat(path, " holds a key of another kind (", name ? name : "unknown",
                             "), and must hold an Ed25519 key: openssl genpkey -algorithm ed25519 "
                             "-out private.pem makes one"));
}

std::string SignatureKey::name() const {
    std::array<unsigned char, key_bytes> raw;
    size_t size = raw.size();
    if (EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size) != 1 || size != raw.size())
        fail_inside("give a key's public half");
    return hex_of(raw.data(), raw.size());
}

std::string SignatureKey::sign(const std::string& text) const {
    const DigestContext context(EVP_MD_CTX_new());
    std::array<unsigned char, signature_bytes> raw;
    size_t size = raw.size();
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), raw.data(), &size, as_bytes(text), text.size()) != 1 ||
        size != raw.size())
        fail_inside("sign");
    return hex_of(raw.data(), raw.size());
}

bool SignatureKey::verify(const std::string& text, const std::string& signature) const {
    const std::optional<std::string> raw = from_hex(signature);
    if (!raw || raw->size() != signature_bytes) return false;
    const DigestContext context(EVP_MD_CTX_new());
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1)
        fail_inside("check a signature");
    return EVP_DigestVerify(context.get(), as_bytes(*raw), raw->size(), as_bytes(text),
                            text.size()) == 1;
}

}  // namespace ailab
