#include "expand.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "scalar.hpp"

namespace ailab {
namespace {

constexpr size_t max_text = 64 << 10;
constexpr size_t max_total = 16 << 20;
constexpr size_t max_nesting = 16;

/// The place of the "}" that closes a "${" before `from`, or npos. Defaults may hold ${…} too.
size_t find_closing(const std::string& text, size_t from) {
    size_t depth = 1;
    for (size_t i = from; i < text.size(); ++i) {
        if (text.compare(i, 2, "${") == 0) ++depth;
        if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string::npos;
}

class Expander {
  public:
    Expander(Node& root, const std::map<std::string, Node>& defaults, Problems& problems)
        : root_(root), defaults_(defaults), problems_(problems) {}

    void expand(Node& node) {
        constexpr size_t most_told = 100;  // each lists the known names
        if (problems_.size() >= most_told) return;
        if (node.is_list()) {
            for (Node& item : node.items()) expand(item);
        } else if (node.is_map()) {
            for (Member& member : node.members()) expand(member.value);
        } else {
            expand_scalar(node);
        }
    }

  private:
    static bool is_home_path(const std::string& text) { return text.compare(0, 2, "~/") == 0; }

    void expand_scalar(Node& node) {
        if (!node.is_string()) return;
        const std::string text = node.as_string();
        if (!holds_variable(text) && !is_home_path(text)) return;
        const size_t before = problems_.size();
        Node value = expand_text(text, node.place);
        if (problems_.size() != before) return;
        total_ += value.is_string() ? value.as_string().size() : 1;
        if (total_ > max_total) {
            report(node.place,
                   "the expanded configuration grows too large here. Check for "
                   "variables that multiply.");
            return;
        }
        node.value = std::move(value.value);
    }

    /// Whole: the value that the variable stands for. Else a string.
    Node expand_text(const std::string& text, const Place& place) {
        if (text.compare(0, 2, "${") == 0 && find_closing(text, 2) == text.size() - 1) {
            Node value = variable(text.substr(2, text.size() - 3), place);
            if (value.is_string()) value.value = expand_home(value.as_string(), place);
            return value;
        }
        std::string out;
        for (size_t i = 0; i < text.size();) {
            if (text.compare(i, 3, "$${") == 0) {
                out += "${";
                i += 3;
            } else if (text.compare(i, 2, "${") == 0) {
                const size_t end = find_closing(text, i + 2);
                if (end == std::string::npos) {
                    report(place, concat(in_quotes(text.substr(i)),
                                         " has no closing \"}\". Write $${ "
                                         "for a ${ that is no variable."));
                    return Node::string(text);
                }
                out += text_of(variable(text.substr(i + 2, end - i - 2), place));
                i = end + 1;
            } else {
                out += text[i++];
            }
            if (out.size() > max_text) {
                report(place, concat("this value expands to more than ", max_text,
                                     " characters. Check for variables that multiply."));
                return Node::string("");
            }
        }
        return Node::string(expand_home(out, place));
    }

    static std::string text_of(const Node& value) {
        const bool as_written =
            !value.is_string() && !value.written.empty() && !holds_variable(value.written);
        return as_written ? value.written : scalar_text(value.value);
    }

    std::string expand_home(const std::string& text, const Place& place) {
        return is_home_path(text) ? environment("HOME", place) + text.substr(1) : text;
    }

    std::string environment(const std::string& name, const Place& place) {
        const char* value = std::getenv(name.c_str());
        if (!value)
            report(place, concat("the environment variable ", in_quotes(name),
                                 " is not set. Set it, or "
                                 "give a default: ${env:",
                                 name, ",default}."));
        return value ? value : "";
    }

    Node variable(const std::string& name, const Place& place) {
        if (open_.size() >= max_nesting) {
            report(place, concat("${", name, "} is nested too deeply."));
            return Node();
        }
        if (name.compare(0, 4, "env:") == 0) return environment_variable(name.substr(4), place);
        if (name == "HOME") return Node::string(environment(name, place));
        return top_level(name, place);
    }

    Node environment_variable(const std::string& text, const Place& place) {
        const size_t comma = text.find(',');
        const std::string name = text.substr(0, comma);
        if (name.empty()) {
            report(place,
                   "${env:} names no environment variable. Write ${env:NAME} or "
                   "${env:NAME,default}.");
            return Node();
        }
        std::string value;
        if (comma != std::string::npos && !std::getenv(name.c_str())) {
            open_.push_back("env:" + name);
            value = text_of(expand_text(text.substr(comma + 1), place));
            open_.pop_back();
        } else {
            value = environment(name, place);
        }
        // Typed where nothing is lost by it; "007" and "1e-3" stay text that a number may be read
        // of.
        Node::Value typed = resolve_scalar(value);
        return scalar_text(typed) == value ? Node(std::move(typed)) : Node::string(value);
    }

    Node top_level(const std::string& name, const Place& place) {
        if (std::find(open_.begin(), open_.end(), name) != open_.end()) {
            report(place, concat("${", name, "} refers to itself: ", join(open_, " -> "), " -> ",
                                 name, ". Write the value out."));
            return Node();
        }
        const Node* node = root_.find(name);
        if (!node) {
            const auto known = defaults_.find(name);
            if (known != defaults_.end()) return known->second;
            report_unknown(name, place);
            return Node();
        }
        if (!node->is_scalar()) {
            report(place, concat("${", name, "} must stand for a single value, got ",
                                 node->describe(), "."));
            return Node();
        }
        if (!node->is_string()) return *node;
        if (const auto found = finished_.find(name); found != finished_.end()) return found->second;
        open_.push_back(name);
        // Read from `written`: the node itself may be expanded already.
        Node value = expand_text(node->written.empty() ? node->as_string() : node->written, place);
        open_.pop_back();
        return finished_[name] = std::move(value);
    }

    void report_unknown(const std::string& name, const Place& place) {
        std::vector<std::string> known = {"HOME"};
        for (const auto& [key, value] : defaults_) known.push_back(key);
        if (root_.is_map())
            for (const Member& member : root_.members())
                if (member.value.is_scalar() && !defaults_.count(member.key))
                    known.push_back(member.key);
        const std::string nearest = nearest_name(name, known);
        constexpr size_t most_listed = 50;
        if (known.size() > most_listed) {
            known.resize(most_listed);
            known.push_back("…");
        }
        const bool in_environment = !name.empty() && std::getenv(name.c_str());
        std::string hint = nearest.empty() ? "" : concat("; did you mean ${", nearest, "}?");
        if (in_environment) hint = concat("; the environment variable is ${env:", name, "}.");
        report(place, concat("${", name, "} is unknown", hint.empty() ? "." : hint,
                             " There are: ", join(known), ", env:NAME."));
    }

    void report(const Place& place, std::string text) { problems_.add(place, std::move(text)); }

    Node& root_;
    const std::map<std::string, Node>& defaults_;
    Problems& problems_;
    size_t total_ = 0;
    /// Variables that are being expanded, outermost first.
    std::vector<std::string> open_;
    std::map<std::string, Node> finished_;
};

}  // namespace

void expand_variables(Node& root, const std::map<std::string, Node>& defaults, Problems& problems) {
    Expander(root, defaults, problems).expand(root);
}

std::string escape_variables(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 2, "${") == 0) out += '$';
        out += text[i];
    }
    return out;
}

}  // namespace ailab
