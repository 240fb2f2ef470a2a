#include "options_reader.hpp"

#include <algorithm>

#include "overrides.hpp"
#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

/// The names alone: `rest` must know the keys of fields that come after it.
class NameCollector final : public OptionVisitor {
  public:
    void rule(const std::function<std::string()>&) override {}
    std::vector<std::string> names;
    bool has_rest = false;

  protected:
    void visit(const Field& field, FieldRef&) override {
        if (field.rest)
            has_rest = true;
        else if (!contains(names, field.name))
            names.push_back(field.name);
    }
};

std::string example_value(const std::string& type) {
    if (is_module_type(type)) return "{type: …}";
    if (type.compare(0, 4, "list") == 0) return "[…]";
    if (type.compare(0, 3, "map") == 0 || type == "section") return "{…}";
    return "…";
}

/// "map of module (metric)" -> "metric"; "" for other types.
std::string kind_of_modules(const std::string& type) {
    const std::string begin = "map of module (";
    if (!type.starts_with(begin) || !type.ends_with(')')) return "";
    return type.substr(begin.size(), type.size() - begin.size() - 1);
}

class OptionReader final : public OptionVisitor {
  public:
    OptionReader(const Node& map, const Subject& subject, const NameCollector& known,
                 Problems& problems)
        : map_(map),
          subject_(subject),
          known_(known),
          problems_(problems),
          problems_before_(problems.size()) {}

    void rule(const std::function<std::string()>& check) override { rules_.push_back(check); }

    void finish() {
        if (!known_.has_rest)
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
        const bool absent = !node || (node->is_null() && is_module_type(ref.type_name()));
        if (!absent) return ref.read(*node, field.bounds, subject_.path_of(field.name), problems_);
        if (!field.required) return;
        problems_.add(node ? node->place : subject_.place,
                      concat(subject_.title, " needs the ", subject_.noun, " ",
                             in_quotes(field.name), " (", field.doc, "). Add \"", field.name, ": ",
                             example_value(ref.type_name()), "\"."));
    }

  private:
    bool is_known(const std::string& key) const {
        return contains(known_.names, key) || contains(subject_.other_keys, key);
    }

    void read_rest(FieldRef& ref) {
        Node rest = Node::map();
        rest.place = map_.place;
        const std::string kind = kind_of_modules(ref.type_name());
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
    const NameCollector& known_;
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
        } else if (!value.is_null() || !is_module_type(ref.type_name())) {
            map.set(field.name, std::move(value));
        }
    }
};

class OptionDescriber final : public OptionVisitor {
  public:
    void rule(const std::function<std::string()>&) override {}
    std::vector<FieldDoc> docs;

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        Node value = field.required || field.rest ? Node() : ref.write();
        docs.push_back({field.name, ref.type_name(), field.doc, field.bounds.str(), field.required,
                        field.rest, std::move(value)});
    }
};

}  // namespace

bool is_module_type(const std::string& type_name) {
    const std::string start = "module (";
    return type_name.compare(0, start.size(), start) == 0 && type_name.back() == ')';
}

void read_options(const Visitable& visit, const Node& map, const Subject& subject,
                  Problems& problems) {
    NameCollector known;
    visit(known);
    OptionReader reader(map, subject, known, problems);
    visit(reader);
    visit(known);  // fields that a struct has for some values of others alone
    reader.finish();
}

Node write_options(const Visitable& visit) {
    OptionWriter writer;
    visit(writer);
    return std::move(writer.map);
}

std::vector<FieldDoc> describe_options(const Visitable& visit) {
    OptionDescriber describer;
    visit(describer);
    return std::move(describer.docs);
}

std::vector<FieldDoc> describe_options(OptionsHolder& options) {
    return describe_options(Visitable([&](OptionVisitor& v) { options.visit(v); }));
}

}  // namespace ailab
