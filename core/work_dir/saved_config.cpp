#include "saved_config.hpp"

#include <functional>

#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"
#include "config/expand.hpp"
#include "config/formats.hpp"
#include "config/scalar.hpp"
#include "config/yaml_reader.hpp"

namespace ailab {
namespace {

constexpr const char* config_fact = "config";
constexpr const char* values_fact = "config_values";
constexpr const char* checksum_key = "crc32c";

/// What stands at the same place of another tree, or nullptr.
const Node* beside(const Node* tree, const Node& parent, size_t number) {
    if (!tree) return nullptr;
    if (parent.is_map()) return tree->find(parent.members()[number].key);
    return tree->is_list() && number < tree->items().size() ? &tree->items()[number] : nullptr;
}

using Visit = std::function<void(const std::string& key, Node& scalar, const Node* other)>;

/// Calls `visit` for each scalar that was written with a variable, with its dotted path and what
/// `other` has there.
void visit_variables(const std::string& key, Node& node, const Node* other, const Visit& visit) {
    const std::string before = key.empty() ? "" : key + ".";
    if (node.is_list()) {
        for (size_t i = 0; i < node.items().size(); ++i)
            visit_variables(concat(before, i), node.items()[i], beside(other, node, i), visit);
    } else if (node.is_map()) {
        for (size_t i = 0; i < node.members().size(); ++i)
            visit_variables(before + node.members()[i].key, node.members()[i].value,
                            beside(other, node, i), visit);
    } else if (holds_variable(node.written)) {
        visit(key, node, other);
    }
}

int64_t checksum_of_value(const std::string& key, const std::string& text) {
    const std::string all = key + "=" + text;
    return crc32c(all.data(), all.size());
}

/// What is kept of a value.
Node kept_value(const std::string& key, const Node& scalar) {
    const Node plain{scalar.value};
    if (!scalar.is_string() || scalar.written.find("${env:") == std::string::npos ||
        scalar.as_string().starts_with('/'))
        return plain;
    Node kept = Node::map();
    kept.set(checksum_key, Node(checksum_of_value(key, scalar.as_string())));
    return kept;
}

}  // namespace

void save_config(const Node& resolved, Node& facts) {
    facts.set(config_fact, Node::string(to_yaml(resolved)));
    Node values = Node::map();
    Node all = resolved;
    visit_variables("", all, nullptr, [&](const std::string& key, const Node& scalar, const Node*) {
        values.set(key, kept_value(key, scalar));
    });
    facts.set(values_fact, std::move(values));
}

Node read_saved_config(const Node& facts, const std::string& file, const Node& now) {
    const Node* text = facts.find(config_fact);
    if (!text || !text->is_string()) return Node();
    Problems problems;
    Node saved = read_yaml(text->as_string(), file, problems);
    problems.check();
    const Node* values = facts.find(values_fact);
    // As the variables are now, which is all that format 1 lets one know.
    Node expanded = saved;
    Problems unknown;
    if (!values) expand_variables(expanded, {}, unknown);
    visit_variables("", saved, &expanded, [&](const std::string&, Node& scalar, const Node* there) {
        if (!values && there) scalar.value = there->value;
    });
    visit_variables(
        "", saved, &now, [&](const std::string& key, Node& scalar, const Node* present) {
            const Node* kept = values ? values->find(key) : nullptr;
            if (!kept) {
                if (present && present->written == scalar.written) scalar.value = present->value;
                return;
            }
            const Node* checksum = kept->find(checksum_key);
            if (!checksum) {
                scalar.value = kept->value;
            } else if (present && present->is_string() && checksum->is_int() &&
                       checksum->as_int() == checksum_of_value(key, present->as_string())) {
                scalar.value = present->value;
            } else {
                scalar.value = std::string("another value");
                scalar.written.clear();
            }
        });
    return saved;
}

}  // namespace ailab
