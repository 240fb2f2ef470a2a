// What an artifact brings is code of whoever made it: which plugins are refused whatever the user
// says, which for want of trust, and that a signature covers every bit.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"
#include "serve/artifact.hpp"
#include "serve/artifact_signature.hpp"
#include "serve/signature.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// As whoever forges an artifact would: its checksum is right again.
std::string with_right_checksum(std::string bytes) {
    const std::string key = "\"ailab.crc32c\":\"";
    const size_t at = bytes.find(key);
    if (at == std::string::npos || at + key.size() + 8 > bytes.size()) return bytes;
    bytes.replace(at + key.size(), 8, "00000000");
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", crc32c(bytes.data(), bytes.size()));
    return bytes.replace(at + key.size(), 8, digits);
}

std::string complaint_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

at::Tensor bytes_of(const std::string& text) {
    return torch::from_blob(const_cast<char*>(text.data()), {int64_t(text.size())}, at::kByte)
        .clone();
}

/// The files of a key's halves.
struct Key {
    std::string whole;
    std::string half;
};

class ArtifactTrust : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_trust_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        path_ = in_folder("model.ailab");
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

    /// An artifact with these plugins of the user named, and these bytes in it.
    void write_with(const std::vector<ServedPlugin>& plugins,
                    const std::vector<std::pair<std::string, at::Tensor>>& records = {}) const {
        ServedSpec spec;
        spec.model.set("type", Node::string("net"));
        spec.plugins = plugins;
        NamedTensors tensors = {{"w", torch::arange(5, at::kFloat)}};
        tensors.insert(tensors.end(), records.begin(), records.end());
        fs::remove(path_);
        write_artifact(path_, spec, tensors, /*with_plugins=*/false);
    }

    std::string complaint(const PredictorOptions& options) const {
        return complaint_of([&] { open_artifact(path_, options); });
    }
    std::string complaint_when_trusted() const {
        PredictorOptions options;
        options.trust_plugins = true;
        return complaint(options);
    }
    std::string complaint_by_key(const std::string& public_key) const {
        PredictorOptions options;
        options.public_key = public_key;
        return complaint(options);
    }

    /// A new one.
    Key make_key(const std::string& name, int type = EVP_PKEY_ED25519) const {
        EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(type, nullptr);
        EVP_PKEY* key = nullptr;
        EXPECT_EQ(EVP_PKEY_keygen_init(context), 1);
        EXPECT_EQ(EVP_PKEY_keygen(context, &key), 1);
        EVP_PKEY_CTX_free(context);
        return write_key(name, key);
    }

    Key write_key(const std::string& name, EVP_PKEY* key) const {
        const std::string whole = in_folder(name + ".pem"), half = in_folder(name + ".pub.pem");
        BIO* out = BIO_new_file(whole.c_str(), "w");
        EXPECT_EQ(PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
        BIO_free(out);
        out = BIO_new_file(half.c_str(), "w");
        EXPECT_EQ(PEM_write_bio_PUBKEY(out, key), 1);
        BIO_free(out);
        EVP_PKEY_free(key);
        return {whole, half};
    }

    fs::path folder_;
    std::string path_;
};

ServedPlugin named(const std::string& file, bool builtin = false) {
    return {"mine", "1.2", "abcdef0123456789", file, builtin};
}

// ---- what a plugin's file may be called

TEST_F(ArtifactTrust, PluginsAreInTheArtifactOrBesideItAndNeverElsewhere) {
    for (const std::string& file :
         {std::string("../libmine.so"), std::string("/usr/lib/libmine.so"),
          std::string("below/libmine.so"), std::string("./libmine.so"), std::string("below/"),
          std::string("."), std::string(".."), std::string(""), std::string("a\\libmine.so"),
          std::string("lib\nmine.so"), std::string("lib\0mine.so", 11), std::string(300, 'a')}) {
        write_with({named(file)});
        EXPECT_NE(complaint_when_trusted().find("must give a plain file name"), std::string::npos)
            << file << ": " << complaint_when_trusted();
        EXPECT_EQ(complaint_when_trusted().find('\n'), std::string::npos);
        EXPECT_NE(complaint({}).find("must give a plain file name"), std::string::npos) << file;
        const Key key = make_key("key");
        const SignRequest request{
            .artifact = path_, .key = key.whole, .output = "", .force = false};
        EXPECT_NE(complaint_of([&] { sign_artifact(request); }), "") << file;
    }
}

TEST_F(ArtifactTrust, AnArtifactHoldsThePluginsThatItNamesAndNoOthers) {
    const at::Tensor bytes = bytes_of("no library");
    const auto refused = [&](const std::vector<ServedPlugin>& plugins, const std::string& record,
                             const at::Tensor& content, const std::string& why) {
        write_with(plugins, {{record, content}});
        EXPECT_NE(complaint_when_trusted().find(why), std::string::npos)
            << record << ": " << complaint_when_trusted();
    };
    refused({}, "plugin/libmine.so", bytes, "which its description does not name");
    refused({named("libother.so")}, "plugin/libmine.so", bytes, "does not name");
    refused({named("libmine.so", /*builtin=*/true)}, "plugin/libmine.so", bytes, "does not name");
    refused({named("libmine.so")}, "plugin/LibMine.so", bytes, "does not name");
    refused({named("libmine.so")}, "plugin/../libmine.so", bytes, "plain file name");
    refused({named("libmine.so")}, "plugin//libmine.so", bytes, "plain file name");
    refused({named("libmine.so")}, "plugin/", bytes, "plain file name");
    refused({named("libmine.so")}, "plugin/libmine.so", bytes.to(at::kFloat), "no list of bytes");
    refused({named("libmine.so")}, "plugin/libmine.so", bytes.view({2, 5}), "no list of bytes");
    refused({named("libmine.so")}, "plugin/libmine.so", bytes, "which cannot be loaded");
    write_with({named("libmine.so"), named("LibMine.so")});
    EXPECT_NE(complaint_when_trusted().find("upper and lower case alone"), std::string::npos);
    write_with({named("libmine.so"), named("libmine.so")});
    EXPECT_NE(complaint_when_trusted().find("names two plugins libmine.so"), std::string::npos);
}

TEST_F(ArtifactTrust, WhatLiesBesideItMustBeAFileAndNoLinkElsewhere) {
    write_with({named("libmine.so")});
    const std::string beside = in_folder("libmine.so"), elsewhere = in_folder("elsewhere.so");
    write(elsewhere, "no library");
    const auto refused = [&](const std::string& why) {
        EXPECT_NE(complaint_when_trusted().find(why), std::string::npos)
            << complaint_when_trusted();
        EXPECT_NE(complaint({}).find("would load it from " + beside), std::string::npos)
            << complaint({});
        fs::remove_all(beside);
    };
    fs::create_symlink(elsewhere, beside);
    refused("it is a symbolic link");
    fs::create_symlink(in_folder("nothing"), beside);
    refused("it is a symbolic link");
    fs::create_directory(beside);
    refused("it is a folder");
    ASSERT_EQ(mkfifo(beside.c_str(), 0600), 0);
    refused("it is a named pipe");
    write(beside, "no library");
    refused("which cannot be loaded");
    EXPECT_NE(complaint_when_trusted().find("there is no " + beside), std::string::npos);
}

// ---- trust

TEST_F(ArtifactTrust, APluginThatNobodyTrustsIsRefusedInOneLineThatSaysWhatAndFromWhere) {
    write_with({named("libmine.so")}, {{"plugin/libmine.so", bytes_of("no library")}});
    EXPECT_EQ(complaint({}),
              path_ +
                  " needs the plugin \"mine\" 1.2 (libmine.so, build abcdef012345) and would load "
                  "it from the artifact itself: that is code of whoever made the artifact, and it "
                  "would run with your rights. If you trust them, give --trust-plugins "
                  "(PredictorOptions::trust_plugins, ailab_open_trusted()); if it is signed, "
                  "--public-key FILE with their key (PredictorOptions::public_key, "
                  "ailab_open_signed()); or name a copy of your own with --plugins or in "
                  "AILAB_PLUGIN_PATH");
    ServedPlugin rude = named("librude.so");
    rude.name = "two\nlines\x1b[2J";
    write_with({named("libmine.so"), rude}, {{"plugin/libmine.so", bytes_of("no library")},
                                             {"plugin/librude.so", bytes_of("no library")}});
    EXPECT_EQ(complaint({}).find('\n'), std::string::npos);
    EXPECT_EQ(complaint({}).find('\x1b'), std::string::npos);
    EXPECT_NE(complaint({}).find("librude.so"), std::string::npos);  // all of them
    EXPECT_NE(complaint({}).find("libmine.so"), std::string::npos);
}

TEST_F(ArtifactTrust, AKeyTakesWhatItHasSignedAndNothingElse) {
    const Key mine = make_key("mine");
    const Key other = make_key("other");
    write_with({});
    EXPECT_NE(complaint_by_key(mine.half).find("is not signed"), std::string::npos);
    const std::string told = sign_artifact({path_, mine.whole, "", false});
    EXPECT_NE(told.find("model.ailab: signed by the key "), std::string::npos) << told;
    const std::string unknown = "unknown model \"net\"";  // what comes after the checks
    EXPECT_NE(complaint_by_key(mine.half).find(unknown), std::string::npos)
        << complaint_by_key(mine.half);
    EXPECT_NE(complaint_by_key(other.half).find("is signed by another key"), std::string::npos);
    EXPECT_NE(complaint({}).find(unknown), std::string::npos);
    // The file stays what it was but for the signature, and may be signed anew, into another file.
    EXPECT_EQ(read_artifact(path_).weights().size(), 1u);
    EXPECT_NE(sign_artifact({path_, other.whole, in_folder("b.ailab"), false}).find("signed anew"),
              std::string::npos);
    EXPECT_NE(complaint_by_key(mine.half).find(unknown), std::string::npos);
    path_ = in_folder("b.ailab");
    EXPECT_NE(complaint_by_key(other.half).find(unknown), std::string::npos);
    EXPECT_NE(complaint_of([&] {
                  sign_artifact({path_, mine.whole, in_folder("b.ailab"), false});
              }).find("exists"),
              std::string::npos);
}

TEST_F(ArtifactTrust, NoBitOfASignedArtifactCanChange) {
    const Key mine = make_key("mine");
    write_with({named("libmine.so")}, {{"plugin/libmine.so", bytes_of("no library")}});
    sign_artifact({path_, mine.whole, "", false});
    const std::string whole = read(path_);
    const auto refusal = [&](const std::string& bytes) {
        write(path_, bytes);
        return complaint_of([&] { verify_artifact(read_artifact(path_), mine.half); });
    };
    ASSERT_EQ(refusal(whole), "");
    for (size_t byte = 0; byte < whole.size(); ++byte)
        for (int bit = 0; bit < 8; ++bit) {
            std::string bytes = whole;
            bytes[byte] = char(bytes[byte] ^ (1 << bit));
            ASSERT_NE(refusal(bytes), "") << "bit " << bit << " of byte " << byte;
            const std::string forged = with_right_checksum(bytes);
            if (forged == whole) continue;  // a flipped digit of the checksum itself
            ASSERT_NE(refusal(forged), "") << "bit " << bit << " of byte " << byte << ", forged";
        }
}

TEST_F(ArtifactTrust, WhatIsAddedTakenAwayOrRenamedIsNotWhatWasSigned) {
    const Key mine = make_key("mine");
    write_with({named("libmine.so")}, {{"plugin/libmine.so", bytes_of("no library")}});
    sign_artifact({path_, mine.whole, "", false});
    const Artifact whole = read_artifact(path_);
    const auto refused = [&](const std::string& what,
                             const std::function<void(Artifact&)>& change) {
        Artifact forged = whole;
        change(forged);
        fs::remove(path_);
        write_artifact(path_, forged);
        EXPECT_NE(complaint_by_key(mine.half).find("is not what was signed"), std::string::npos)
            << what;
    };
    refused("a tensor more", [](Artifact& a) { a.tensors.emplace_back("z", torch::ones(1)); });
    refused("a tensor less", [](Artifact& a) { a.tensors.pop_back(); });
    refused("names exchanged",
            [](Artifact& a) { std::swap(a.tensors[0].second, a.tensors[1].second); });
    refused("another shape", [](Artifact& a) {
        for (auto& [name, tensor] : a.tensors)
            if (name == "w") tensor = tensor.view({5, 1});
    });
    refused("another type", [](Artifact& a) {
        for (auto& [name, tensor] : a.tensors)
            if (name == "w") tensor = tensor.view(at::kInt);
    });
    refused("a note more", [](Artifact& a) { a.metadata["x"] = "y"; });
    refused("a note less", [](Artifact& a) { a.metadata.erase("format"); });
    refused("a name with a line of its own",
            [](Artifact& a) { a.tensors.emplace_back("z\"\n0 0 tensor \"y", torch::ones(1)); });
    const std::string& signature = whole.metadata.at("ailab.signature");
    for (const std::string& other :
         {signature.substr(0, signature.size() - 1), signature + "0", signature.substr(0, 64),
          signature.substr(0, 65), signature.substr(0, 65) + std::string(128, '0')})
        refused(other, [&](Artifact& a) { a.metadata["ailab.signature"] = other; });
}

TEST_F(ArtifactTrust, AKeyIsForArtifacts) {
    PredictorOptions options;
    options.public_key = make_key("mine").half;
    EXPECT_EQ(complaint_of([&] { Predictor(in_folder("train.yaml"), "latest", options); }),
              "a public key is for artifacts: a configuration is not signed");
}

// ---- keys

TEST_F(ArtifactTrust, WhatIsNoKeyIsSaidWithWhatToDo) {
    const Key mine = make_key("mine");
    const Key x = make_key("x", EVP_PKEY_X25519);
    const Key ed448 = make_key("ed448", EVP_PKEY_ED448);
    write(in_folder("text"), "hello");
    write(in_folder("empty"), "");
    write(in_folder("huge"), std::string(1 << 20, 'x'));
    const auto said = [](const std::string& path, KeyHalf which, const std::string& text) {
        const std::string why = complaint_of([&] { SignatureKey(path, which); });
        EXPECT_NE(why.find(path), std::string::npos) << why;
        EXPECT_NE(why.find(text), std::string::npos) << why;
    };
    said(in_folder("none"), KeyHalf::public_key, "No such file");
    said(folder_.string(), KeyHalf::public_key, "it is a folder");
    said(mine.whole, KeyHalf::public_key,
         "holds a private key, which signs; its public half is made by");
    said(mine.half, KeyHalf::private_key, "holds a public key, which checks signatures");
    for (const char* file : {"text", "empty"}) {
        said(in_folder(file), KeyHalf::public_key, "holds no public key in PEM form; openssl");
        said(in_folder(file), KeyHalf::private_key, "holds no private key in PEM form; openssl");
    }
    said(in_folder("huge"), KeyHalf::public_key, "has 1048576 bytes, and is no key");
    said(x.whole, KeyHalf::private_key, "of another kind (X25519), and must hold an Ed25519 key");
    said(ed448.half, KeyHalf::public_key, "of another kind (ED448)");
}

/// RFC 8032, 7.1, test 2.
TEST_F(ArtifactTrust, SignaturesAreThoseOfTheStandard) {
    const unsigned char secret[] = {0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda,
                                    0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f,
                                    0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24,
                                    0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
    const Key key = write_key(
        "rfc", EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret, sizeof secret));
    const SignatureKey signs(key.whole, KeyHalf::private_key),
        checks(key.half, KeyHalf::public_key);
    EXPECT_EQ(signs.name(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    EXPECT_EQ(checks.name(), signs.name());
    const std::string signature =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    EXPECT_EQ(signs.sign("\x72"), signature);
    EXPECT_TRUE(checks.verify("\x72", signature));
    EXPECT_FALSE(checks.verify("\x73", signature));
    std::string upper = signature;
    upper[2] = 'A';
    EXPECT_FALSE(checks.verify("\x72", upper)) << "one text for one signature";
}

TEST(Sha256, IsThatOfTheStandard) {  // FIPS 180-2, appendix B
    EXPECT_EQ(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace ailab
