#pragma once
// Options of a module: one struct with defaults and one visitor function. From that single list
// come parsing, checking, --describe, the JSON Schema and the saved configuration.
//
//     struct Options {
//         int64_t hidden = 128;
//         double dropout = 0.1;
//         std::string root;
//         void visit(ailab::OptionVisitor& v) {
//             v.required("root", root, "folder of the data");
//             v.option("hidden", hidden, "width of the hidden layer", ailab::at_least(1));
//             v.option("dropout", dropout, "probability of dropping", ailab::between(0, 1));
//         }
//     };
//
// Field types: bool, int, int64_t, double, std::string, Node (anything), ModuleSpec<Kind> (a nested
// `{type: …}`), and std::optional (accepts null), std::vector and std::map<std::string, …> of
// these.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/node.hpp"
#include "ailab/option_schema.hpp"

namespace ailab {

/// A field without its type: what the core needs to document, read and write it.
class FieldRef {
  public:
    virtual ~FieldRef() = default;
    /// What its type accepts; the bounds of the option are not in it.
    virtual OptionSchema schema() const = 0;
    /// "integer", "list of number", "module (loss)": for documentation.
    std::string type_name() const { return schema().str(); }
    /// Reads `node` into the field, or adds what is wrong to `problems`; `name` begins the
    /// messages.
    virtual void read(const Node& node, const Bounds& bounds, const std::string& name,
                      Problems& problems) = 0;
    /// The present value.
    virtual Node write() const = 0;
};

class AILAB_API OptionVisitor {
  public:
    virtual ~OptionVisitor();

    /// A field with a default, the value that the struct was made with.
    template <class T>
    void option(const std::string& name, T& field, const std::string& doc, Bounds bounds = {});
    /// A field that the configuration must give.
    template <class T>
    void required(const std::string& name, T& field, const std::string& doc, Bounds bounds = {});
    /// All keys that no other field takes, as MetricHook's named metrics. At most one a struct.
    template <class T>
    void rest(std::map<std::string, T>& field, const std::string& doc);

    /// A rule over several fields, run after they were read without a mistake. Returns what is
    /// wrong, or "": v.rule([&] { return lo < hi ? "" : "lo must be below hi"; });
    virtual void rule(const std::function<std::string()>& check) = 0;

  protected:
    struct Field {
        std::string name;
        std::string doc;
        Bounds bounds;
        bool required = false;
        bool rest = false;
    };
    virtual void visit(const Field& field, FieldRef& ref) = 0;
};

/// How a type is described, read and written. Specialise for an enum or a struct of your own:
///     template <> struct OptionType<Mode> { schema, read, write as below };
/// (`static std::string name()`, the words alone, serves in place of schema().)
template <class T, class = void>
struct OptionType {
    // Declared, and before the assertion, so that it is all that a compiler says.
    static OptionSchema schema();
    static void read(const Node&, T&, const Bounds&, const std::string& name, Problems&);
    static Node write(const T&);
    static_assert(sizeof(T) == 0,
                  "an option may be a bool, int, int64_t, double (not float), std::string, Node, "
                  "ModuleSpec<Kind>, or a std::optional, std::vector or std::map<std::string, ...> "
                  "of these; for a type of your own specialise ailab::OptionType");
};

namespace detail {
/// Adds "optimizer option ‹name›: expected …, got …" at the node's place.
AILAB_API void wrong_type(const Node& node, const std::string& name, const OptionSchema& expected,
                          Problems& problems);
/// The same in words, as they go on after "must be".
AILAB_API void wrong_type(const Node& node, const std::string& name, const std::string& expected,
                          Problems& problems);
AILAB_API void check_bounds(const Node& node, const std::string& name, const std::string& complaint,
                            Problems& problems);

template <class T>
OptionSchema schema_of() {
    if constexpr (requires { OptionType<T>::schema(); })
        return OptionType<T>::schema();
    else
        return OptionSchema().called(OptionType<T>::name());
}

template <class T>
class TypedField final : public FieldRef {
  public:
    explicit TypedField(T& field) : field_(field) {}
    OptionSchema schema() const override { return schema_of<T>(); }
    void read(const Node& node, const Bounds& bounds, const std::string& name,
              Problems& problems) override {
        OptionType<T>::read(node, field_, bounds, name, problems);
    }
    Node write() const override { return OptionType<T>::write(field_); }

  private:
    T& field_;
};

#define AILAB_DECLARE_OPTION_TYPE(T)                                                          \
    template <>                                                                               \
    struct AILAB_API OptionType<T> {                                                          \
        static OptionSchema schema();                                                         \
        static std::string name() { return schema().str(); }                                  \
        static void read(const Node&, T&, const Bounds&, const std::string& name, Problems&); \
        static Node write(const T&);                                                          \
    }
}  // namespace detail

AILAB_DECLARE_OPTION_TYPE(bool);
AILAB_DECLARE_OPTION_TYPE(int);
AILAB_DECLARE_OPTION_TYPE(int64_t);
AILAB_DECLARE_OPTION_TYPE(double);
AILAB_DECLARE_OPTION_TYPE(std::string);
AILAB_DECLARE_OPTION_TYPE(Node);
#undef AILAB_DECLARE_OPTION_TYPE

template <class T>
struct OptionType<std::optional<T>> {
    static OptionSchema schema() { return detail::schema_of<T>().or_null(); }
    static std::string name() { return schema().str(); }
    static void read(const Node& node, std::optional<T>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        if (node.is_null()) {
            field.reset();
            return;
        }
        OptionType<T>::read(node, field.emplace(), bounds, name, problems);
    }
    static Node write(const std::optional<T>& field) {
        return field ? OptionType<T>::write(*field) : Node();
    }
};

template <class T>
struct OptionType<std::vector<T>> {
    static OptionSchema schema() { return OptionSchema::list_of(detail::schema_of<T>()); }
    static std::string name() { return schema().str(); }
    static void read(const Node& node, std::vector<T>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        if (!node.is_list()) {
            detail::wrong_type(node, name, schema(), problems);
            return;
        }
        field.clear();
        for (size_t i = 0; i < node.items().size(); ++i) {
            T item{};
            OptionType<T>::read(node.items()[i], item, bounds, concat(name, "[", i, "]"), problems);
            field.push_back(std::move(item));
        }
    }
    static Node write(const std::vector<T>& field) {
        Node::List items;
        for (const T& item : field) items.push_back(OptionType<T>::write(item));
        return Node::list(std::move(items));
    }
};

template <class T>
struct OptionType<std::map<std::string, T>> {
    static OptionSchema schema() { return OptionSchema::map_of(detail::schema_of<T>()); }
    static std::string name() { return schema().str(); }
    static void read(const Node& node, std::map<std::string, T>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        if (!node.is_map()) {
            detail::wrong_type(node, name, schema(), problems);
            return;
        }
        field.clear();
        for (const Member& m : node.members())
            OptionType<T>::read(m.value, field[m.key], bounds, name + "." + m.key, problems);
    }
    static Node write(const std::map<std::string, T>& field) {
        Node::Map members;
        for (const auto& [key, value] : field)
            members.push_back({key, {}, OptionType<T>::write(value)});
        return Node::map(std::move(members));
    }
};

template <class T>
void OptionVisitor::option(const std::string& name, T& field, const std::string& doc,
                           Bounds bounds) {
    detail::TypedField<T> ref(field);
    visit({name, doc, std::move(bounds), false, false}, ref);
}

template <class T>
void OptionVisitor::required(const std::string& name, T& field, const std::string& doc,
                             Bounds bounds) {
    detail::TypedField<T> ref(field);
    visit({name, doc, std::move(bounds), true, false}, ref);
}

template <class T>
void OptionVisitor::rest(std::map<std::string, T>& field, const std::string& doc) {
    detail::TypedField<std::map<std::string, T>> ref(field);
    visit({"", doc, {}, false, true}, ref);
}

/// An options struct without its type: what a factory is given.
class OptionsHolder {
  public:
    virtual ~OptionsHolder() = default;
    virtual void visit(OptionVisitor& v) = 0;
};

template <class Options>
class OptionsOf final : public OptionsHolder {
  public:
    void visit(OptionVisitor& v) override { value.visit(v); }
    Options value;
};

/// For modules without options.
struct NoOptions {
    void visit(OptionVisitor&) {}
};

/// The options that `visit` lists, in its order; then those that it lists for other values of a
/// bool or of a field with choices alone. What it visits is afterwards as it was.
AILAB_API std::vector<OptionField> describe_options(
    const std::function<void(OptionVisitor&)>& visit);

inline std::vector<OptionField> describe_options(OptionsHolder& options) {
    return describe_options([&](OptionVisitor& v) { options.visit(v); });
}

}  // namespace ailab
