#pragma once
// A value of the configuration with the place it was written at. This is the only form in which
// configuration crosses the plugin boundary.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// Where a value was written: "train.yaml:14:7". `source` is a file name, or "command line".
/// line 0 means that there is no position (a default, or an override).
struct AILAB_API Place {
    std::shared_ptr<const std::string> source;
    int line = 0;
    int column = 0;

    std::string str() const;
};

struct Member;

/// A tree of null, bool, integer, float, string, list and map. A plain value type; not thread-safe
/// while written to. Maps keep the order of the file.
class AILAB_API Node {
  public:
    using List = std::vector<Node>;
    using Map = std::vector<Member>;
    using Value = std::variant<std::monostate, bool, int64_t, double, std::string, List, Map>;

    Node();
    explicit Node(Value value, Place place = Place());
    Node(const Node&);
    Node(Node&&) noexcept;
    Node& operator=(const Node&);
    Node& operator=(Node&&) noexcept;
    ~Node();

    /// A bare literal must not turn into a bool.
    static Node string(std::string text, Place place = Place());
    static Node list();
    static Node list(List items, Place place = Place());
    static Node map();
    static Node map(Map members, Place place = Place());

    bool is_null() const { return std::holds_alternative<std::monostate>(value); }
    bool is_bool() const { return std::holds_alternative<bool>(value); }
    bool is_int() const { return std::holds_alternative<int64_t>(value); }
    bool is_float() const { return std::holds_alternative<double>(value); }
    bool is_number() const { return is_int() || is_float(); }
    bool is_string() const { return std::holds_alternative<std::string>(value); }
    bool is_list() const { return std::holds_alternative<List>(value); }
    bool is_map() const { return std::holds_alternative<Map>(value); }
    bool is_scalar() const { return !is_list() && !is_map(); }

    bool as_bool() const { return std::get<bool>(value); }
    int64_t as_int() const { return std::get<int64_t>(value); }
    /// An integer serves as a float.
    double as_float() const { return is_int() ? double(as_int()) : std::get<double>(value); }
    const std::string& as_string() const { return std::get<std::string>(value); }
    const List& items() const { return std::get<List>(value); }
    List& items() { return std::get<List>(value); }
    const Map& members() const { return std::get<Map>(value); }
    Map& members() { return std::get<Map>(value); }

    /// The member of a map, or nullptr (also when this is no map).
    const Node* find(std::string_view key) const;
    Node* find(std::string_view key);
    /// Sets or appends a member of a map.
    Node& set(std::string key, Node value);

    /// "a string", "a list of 3", "the number 5": for messages.
    std::string describe() const;
    /// Short one-line form as in YAML's flow style: `{type: Adam, lr: 0.001}`.
    std::string flow() const;

    Value value;
    Place place;
    /// A scalar as it was written, before `${…}` was expanded and its type resolved; empty
    /// otherwise. The saved configuration writes this where it holds `${`.
    std::string written;
};

struct Member {
    std::string key;
    Place place;
    Node value;
};

}  // namespace ailab
