// YAML, overrides and JSON.
#include <cstdlib>

#include "config/expand.hpp"
#include "config/formats.hpp"
#include "config/json_parser.hpp"
#include "config/overrides.hpp"
#include "config/yaml_reader.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

Node expanded(Node root, Problems& problems) {
    setenv("HOME", "/home/user", 1);
    expand_variables(root, {{"work_dir", Node::string("./work_dir")}}, problems);
    return root;
}

/// What is read can be written, and is the same when it is read again.
void write_and_read(const Node& root) {
    Problems problems;
    const Node again = read_yaml(to_yaml(root), "again", problems);
    require(problems.empty(), "to_yaml() wrote what read_yaml() refuses");
    require(again.flow() == root.flow(), "to_yaml() wrote something else than it was given");
}

void yaml(const std::string& input) {
    Problems problems;
    const Node root = read_yaml(input, "input", problems);
    if (problems.empty() && root.is_map()) write_and_read(root);
    expanded(root, problems).flow();
    problems.check();
}

/// An override a line.
void overrides(const std::string& input) {
    static const Node document = [] {
        Problems problems;
        return read_yaml("{seed: 42, model: {type: Net, sizes: [3, 3]}, hooks: {a: {b: ~}}}",
                         "input", problems);
    }();
    Node root = document;
    Problems problems;
    constexpr int most = 20;  // the command line has its own limit
    size_t begin = 0;
    for (int number = 1; number <= most && begin <= input.size(); ++number) {
        const size_t end = std::min(input.find('\n', begin), input.size());
        apply_override(root, input.substr(begin, end - begin), number, problems);
        begin = end + 1;
    }
    require(root.is_map(), "an override has changed what the document is");
    expanded(root, problems).flow();
    problems.check();
}

void json(const std::string& input) {
    const std::vector<std::string> some = {"image", "label"};
    const Place place{std::make_shared<const std::string>("input"), 1, 0};
    for (const auto* keys : {static_cast<const std::vector<std::string>*>(nullptr), &some}) {
        try {
            parse_json(input, {.all_numbers = true, .keys = keys}, place).flow();
        } catch (const JsonProblem& error) {
            require(error.byte() <= input.size(), "a mistake lies behind the text");
            line_and_column(input, error.byte());
        } catch (const Error&) {  // too deep
        }
    }
    const Node root = from_json(input, "input");
    for (const int indent : {-1, 2})
        require(from_json(to_json(root, indent), "again").flow() ==
                    from_json(to_json(root), "once").flow(),
                "to_json() wrote something else than it was given");
}

const Registration yaml_target({.name = "yaml", .run = yaml});
const Registration overrides_target({.name = "overrides", .run = overrides});
const Registration json_target({.name = "json", .run = json});

}  // namespace
}  // namespace ailab::fuzz
