#include "ailab/error.hpp"
#include "command_line.hpp"
#include "serve/artifact_signature.hpp"

namespace ailab::app {
namespace {

Work read_sign(const CommandLine& line) {
    std::vector<std::string> words = line.words;
    SignRequest request;
    request.artifact = take_word(words, "",
                                 "no artifact is given: ailab-run sign MODEL.ailab --key "
                                 "PRIVATE.pem.");
    if (!words.empty())
        throw ConfigError(
            concat("sign takes one artifact: \"", words.front(), "\" is too much.", see_help));
    request.key = line.options.text("key");
    if (request.key.empty())
        throw ConfigError(
            concat("--key FILE is missing: the private key; openssl genpkey "
                   "-algorithm ed25519 -out private.pem makes one.",
                   see_help));
    request.output = line.options.text("output");
    request.force = line.options.flag("force");
    return [request] { return print(sign_artifact(request)); };
}

const Registration sign_command{
    {.name = "sign",
     .place = 100,
     .usage = {{"MODEL.ailab", "--key PRIVATE.pem [-o FILE]"}},
     .doc = "signs an artifact, in place or into another file (-o)",
     .options = {{.name = "key",
                  .value = "PRIVATE.pem",
                  .doc = "an Ed25519 key: openssl genpkey -algorithm ed25519 -out private.pem "
                         "makes one, openssl pkey -in private.pem -pubout -out public.pem the half "
                         "for --public-key"},
                 option::output,
                 option::force},
     .read = read_sign}};

}  // namespace
}  // namespace ailab::app
