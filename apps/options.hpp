#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ailab::app {

inline constexpr const char* see_help = " See ailab-run --help.";

/// " Did you mean train?", or "".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

/// An option that a command line may have.
struct Option {
    enum class Takes { a_value, nothing, values, a_value_or_nothing };

    std::string name;   // "output", of --output
    std::string value;  // what its value is, as the help calls it: "FILE"
    std::string doc;
    Takes takes = Takes::a_value;
    char letter = 0;  // 'o', of -o
    /// The end of the doc, where that is known once the program runs: the names of modules.
    std::string (*more)() = nullptr;
};

/// Those of several commands.
namespace option {
inline const Option config{
    .name = "config", .value = "CONFIG", .doc = "the same as the word CONFIG", .letter = 'c'};
inline const Option weights{
    .name = "weights",
    .value = "CHECKPOINT",
    .doc =
        "the same as the word CHECKPOINT: latest, best, a checkpoint's or run's folder, a "
        ".safetensors or .pth file",
    .letter = 'w'};
inline const Option output{.name = "output",
                           .value = "OUTPUT",
                           .doc = "the file (of test: the folder) that is written",
                           .letter = 'o'};
inline const Option force{
    .name = "force", .doc = "replaces a file that exists", .takes = Option::Takes::nothing};
inline const Option json{
    .name = "json", .doc = "JSON in place of a table", .takes = Option::Takes::nothing};
inline const Option public_key{
    .name = "public-key",
    .value = "FILE",
    .doc =
        "the half of an Ed25519 key by which an artifact must be signed; infer then runs the "
        "plugins that it brings"};
}  // namespace option

/// The options of a command line. Everything that reads one throws ConfigError that says what to
/// type instead.
class Options {
  public:
    Options(const std::vector<std::string>& arguments, const std::vector<Option>& known);
    ~Options();

    /// What is no option and belongs to none.
    std::vector<std::string> words() const { return texts("words"); }
    bool given(const std::string& option) const;
    bool flag(const std::string& option) const;
    /// "" when it is not given.
    std::string text(const std::string& option) const;
    std::vector<std::string> texts(const std::string& option) const;
    /// The same, each split at its commas.
    std::vector<std::string> items(const std::string& option) const;
    /// One of a few, or "".
    std::string choice(const std::string& option, const std::vector<std::string>& choices) const;
    /// A whole number from 1 to `most`.
    int64_t positive(const std::string& option, int64_t usual, int64_t most) const;

  private:
    struct Values;
    std::unique_ptr<const Values> values_;
};

/// The whole of `text` as a number of 0 or more; `option` is whose value it is.
int64_t whole_number(const std::string& option, const std::string& text);

}  // namespace ailab::app
