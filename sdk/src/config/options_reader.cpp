#include "options_reader.hpp"

#include <algorithm>

#include "overrides.hpp"
#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

using Kind = OptionSchema::Kind;

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class NameCollector final : public OptionVisitor {
  public:
    explicit NameCollector(OptionNames& found) : found_(found) {}
    void rule(const std::function<std::string()>&) override {}

  protected:
    void visit(const Field& field, FieldRef&) override {
        if (field.rest)
            found_.rest = true;
        else if (!contains(found_.names, field.name))
            found_.names.push_back(field.name);
    }

  private:
    OptionNames& found_;
};

std::string example_value(const OptionSchema& schema) {
    if (is_module(schema)) return "{type: …}";
    switch (schema.kind) {
        case Kind::list:
        case Kind::tuple:
            return "[…]";
        case Kind::map:
        case Kind::section:
            return "{…}";
        default:
            return "…";
    }
}

/// "metric" of a map of metrics; "" for other types.
std::string kind_of_modules(const OptionSchema& schema) {
    return schema.kind == Kind::map ? schema.parts[0].module_kind : "";
}

class OptionReader final : public OptionVisitor {
  public:
    OptionReader(const Node& map, const Subject& subject, const OptionNames& known,
                 Problems& problems)
        : map_(map),
          subject_(subject),
          known_(known),
          problems_(problems),
          problems_before_(problems.size()) {}

    void rule(const std::function<std::string()>& check) override { rules_.push_back(check); }

    void finish() {
        if (!known_.rest)
            for (const Member& member : map_.members())
                if (!is_known(member.key)) report_unknown(member);
        if (problems_.size() != problems_before_) return;  // a rule may rely on what was read
        for (const auto& rule : rules_) {
            const std::string complaint = rule();
            if (!complaint.empty())
                problems_.add(subject_.place, subject_.title + ": " + complaint);
        }
    }

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        if (field.rest) return read_rest(ref);
        const Node* node = map_.find(field.name);
        const bool absent = !node || (node->is_null() && is_module(ref.schema()));
        if (!absent) return ref.read(*node, field.bounds, subject_.path_of(field.name), problems_);
        if (!field.required) return;
        problems_.add(
            node ? node->place : subject_.place,
            concat(subject_.title, " needs the ", subject_.noun, " ", in_quotes(field.name), " (",
                   field.doc, "). Add \"", field.name, ": ", example_value(ref.schema()), "\"."));
    }

  private:
    bool is_known(const std::string& key) const {
        return contains(known_.names, key) || contains(subject_.other_keys, key);
    }

    void read_rest(FieldRef& ref) {
        Node rest = Node::map();
        rest.place = map_.place;
        const std::string kind = kind_of_modules(ref.schema());
        for (const Member& member : map_.members()) {
            if (is_known(member.key)) continue;
            const bool is_value = member.value.is_number() || member.value.is_bool();
            if (is_value && !kind.empty())  // an option that is misspelt, and no module
                report_unknown(member,
                               concat(" Each other key is a ", kind, " module, {type: …}."));
            else
                rest.members().push_back(member);
        }
        // A map's reader puts a dot between the name and each key.
        ref.read(rest, Bounds(), subject_.path, problems_);
    }

    /// An override of a module's type alone leaves the options that the file gives.
    std::string leftover_advice(const Member& member) const {
        const Node* type = map_.find("type");
        if (!type || !is_override(type->place) || is_override(member.place)) return "";
        return concat(" The file gives it to the module that the command line replaces; ",
                      subject_.path, "='{type: ", type->flow(), ", …}' replaces its options too.");
    }

    void report_unknown(const Member& member, const std::string& others = "") {
        std::vector<std::string> accepted;
        for (const std::string& key : subject_.other_keys)
            if (key != "type") accepted.push_back(key);
        accepted.insert(accepted.begin(), known_.names.begin(), known_.names.end());
        const std::string nearest = nearest_name(member.key, accepted);
        problems_.add(
            member.place,
            concat(subject_.title, " has no ", subject_.noun, " ", in_quotes(member.key),
                   nearest.empty() ? "." : "; did you mean " + in_quotes(nearest) + "?",
                   accepted.empty() ? " It takes none." : " It takes: " + join(accepted) + ".",
                   odd_character_note(member.key), others, leftover_advice(member)));
    }

    const Node& map_;
    const Subject& subject_;
    const OptionNames& known_;
    Problems& problems_;
    size_t problems_before_;
    std::vector<std::function<std::string()>> rules_;
};

class OptionWriter final : public OptionVisitor {
  public:
    void rule(const std::function<std::string()>&) override {}
    Node map = Node::map();

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        Node value = ref.write();
        if (field.rest) {
            for (Member& member : value.members()) map.members().push_back(std::move(member));
        } else if (!value.is_null() || !is_module(ref.schema())) {
            map.set(field.name, std::move(value));
        }
    }
};

/// Each option that is not known yet.
class OptionDescriber final : public OptionVisitor {
  public:
    explicit OptionDescriber(std::vector<OptionField>& known) : known_(known) {}
    void rule(const std::function<std::string()>&) override {}

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        const bool is_known =
            std::any_of(known_.begin(), known_.end(), [&](const OptionField& other) {
                return other.name == field.name && other.rest == field.rest;
            });
        if (is_known) return;
        Node value = field.required || field.rest ? Node() : ref.write();
        known_.push_back({field.name, field.doc, ref.schema().bounded(field.bounds), field.bounds,
                          field.required, field.rest, std::move(value)});
    }

  private:
    std::vector<OptionField>& known_;
};

/// Gives one option another value, and it back.
class OptionSetter final : public OptionVisitor {
  public:
    OptionSetter(std::string name, Node value) : name_(std::move(name)), value_(std::move(value)) {}
    void rule(const std::function<std::string()>&) override {}
    Node before;

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        if (field.rest || field.name != name_) return;
        before = ref.write();
        Problems ignored;  // of a value that was never read, as that of a required option
        ref.read(value_, Bounds(), name_, ignored);
    }

  private:
    const std::string name_;
    const Node value_;
};

/// The values on which it may depend what other options there are.
std::vector<Node> other_values(const OptionField& field) {
    std::vector<Node> values;
    if (field.schema.kind == Kind::boolean)
        values = {Node(Node::Value(false)), Node(Node::Value(true))};
    if (field.schema.kind == Kind::string)
        for (const std::string& choice : field.schema.bounds.choices)
            values.push_back(Node::string(choice));
    return values;
}

}  // namespace

bool is_module(const OptionSchema& schema) {
    if (schema.nullable) return false;
    return schema.kind == Kind::module ||
           (schema.kind == Kind::either && is_module(schema.parts[0]));
}

OptionNames option_names(const Visitable& visit) {
    OptionNames found;
    NameCollector collector(found);
    visit(collector);
    return found;
}

void read_options(const Visitable& visit, const Node& map, const Subject& subject,
                  Problems& problems) {
    // `rest` must know the keys of fields that come after it.
    OptionNames known;
    NameCollector collector(known);
    visit(collector);
    OptionReader reader(map, subject, known, problems);
    visit(reader);
    visit(collector);  // fields that a struct has for some values of others alone
    reader.finish();
}

Node write_options(const Visitable& visit) {
    OptionWriter writer;
    visit(writer);
    return std::move(writer.map);
}

std::vector<OptionField> describe_options(const Visitable& visit) {
    std::vector<OptionField> fields;
    OptionDescriber describer(fields);
    visit(describer);
    const size_t usual = fields.size();
    for (size_t i = 0; i < usual; ++i)
        for (Node& value : other_values(fields[i])) {
            OptionSetter setter(fields[i].name, std::move(value));
            visit(setter);
            visit(describer);
            OptionSetter back(fields[i].name, std::move(setter.before));
            visit(back);
        }
    return fields;
}

}  // namespace ailab
