#include "json_schema.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "options_reader.hpp"
#include "scalar.hpp"

namespace ailab {
namespace {

using Kind = OptionSchema::Kind;

Node map_with(std::string key, Node value) {
    Node map = Node::map();
    map.set(std::move(key), std::move(value));
    return map;
}

Node of_type(const char* type) {
    return map_with("type", Node::string(type));
}

Node any_of(Node::List schemas) {
    return map_with("anyOf", Node::list(std::move(schemas)));
}

/// A whole number is written as one.
Node number(double value) {
    return is_written_in_full(value) ? Node(Node::Value(int64_t(value))) : Node(Node::Value(value));
}

/// Whether JSON has a form for it: not for infinity.
bool is_json(const Node& value) {
    if (value.is_list()) return std::all_of(value.items().begin(), value.items().end(), is_json);
    return !value.is_float() || std::isfinite(value.as_float());
}

/// A choice as YAML reads it unquoted: 16 of "16".
void add_choice(const std::string& text, bool is_text, Node::List& choices) {
    Node typed(resolve_scalar(text));
    if (is_text) choices.push_back(Node::string(text));
    if (!typed.is_string() && !typed.is_null()) choices.push_back(std::move(typed));
}

Node one_of_choices(const OptionSchema& schema) {
    Node::List choices;
    for (const std::string& choice : schema.bounds.choices)
        add_choice(choice, schema.kind == Kind::string, choices);
    return any_of({map_with("enum", Node::list(std::move(choices))), json_schema_variable()});
}

/// A value of one of `types`, or text with a variable: what is said of text concerns text alone.
Node scalar(std::vector<const char*> types) {
    Node::List names;
    for (const char* type : types) names.push_back(Node::string(type));
    names.push_back(Node::string("string"));
    Node schema = map_with("type", Node::list(std::move(names)));
    const Node variable = json_schema_variable();
    schema.set("pattern", *variable.find("pattern"));
    return schema;
}

Node number_schema(const OptionSchema& schema) {
    if (!schema.bounds.choices.empty()) return one_of_choices(schema);
    Node out = scalar({schema.kind == Kind::integer ? "integer" : "number"});
    // Numbers here, texts in YAML 1.2.
    if (schema.kind != Kind::integer)
        out.set("pattern", Node::string(out.find("pattern")->as_string() + "|^[-+]?inf$|^nan$"));
    const Bounds& bounds = schema.bounds;
    if (bounds.min)
        out.set(bounds.exclusive_min ? "exclusiveMinimum" : "minimum", number(*bounds.min));
    if (bounds.max && std::isfinite(*bounds.max))
        out.set(bounds.exclusive_max ? "exclusiveMaximum" : "maximum", number(*bounds.max));
    return out;
}

/// `version: 2026.10` means those characters.
Node string_schema(const OptionSchema& schema) {
    if (!schema.bounds.choices.empty()) {
        Node choices = one_of_choices(schema);
        if (!schema.module_kind.empty())
            choices.find("anyOf")->items().push_back(json_schema_names(schema.module_kind));
        return choices;
    }
    return map_with("type", Node::list({Node::string("string"), Node::string("number"),
                                        Node::string("boolean")}));
}

Node list_schema(Node entry) {
    Node out = of_type("array");
    out.set("items", std::move(entry));
    return out;
}

Node tuple_schema(const std::vector<OptionSchema>& places) {
    Node::List items;
    for (const OptionSchema& place : places) items.push_back(json_schema(place));
    const Node count = Node(Node::Value(int64_t(places.size())));
    Node out = list_schema(Node::list(std::move(items)));
    out.set("minItems", count);
    out.set("maxItems", count);
    return out;
}

/// "integer, at least 1". Words of a type's own tell its bounds too.
std::string words_of(const OptionField& field) {
    std::string bounds = field.bounds.str();
    if (bounds.empty() && field.schema.words.empty()) bounds = field.schema.bounds.str();
    return bounds.empty() ? field.schema.str() : concat(field.schema.str(), ", ", bounds);
}

Node section_schema(const std::vector<OptionField>& fields) {
    Node out = of_type("object");
    Node properties = Node::map();
    Node::List required;
    Node others = Node(Node::Value(false));
    for (const OptionField& field : fields) {
        if (field.rest) {
            others = json_schema(field.schema.parts[0]);
            continue;
        }
        properties.set(field.name, documented(json_schema(field), words_of(field), field.doc,
                                              field.default_value));
        if (field.required) required.push_back(Node::string(field.name));
    }
    out.set("properties", std::move(properties));
    if (!required.empty()) out.set("required", Node::list(std::move(required)));
    out.set("additionalProperties", std::move(others));
    return out;
}

Node either_schema(const std::vector<OptionSchema>& types) {
    Node::List schemas;
    for (const OptionSchema& type : types) schemas.push_back(json_schema(type));
    return any_of(std::move(schemas));
}

Node without_null(const OptionSchema& schema) {
    switch (schema.kind) {
        case Kind::anything:
            return Node::map();
        case Kind::boolean:
            return scalar({"boolean"});
        case Kind::integer:
        case Kind::number:
            return number_schema(schema);
        case Kind::string:
            return string_schema(schema);
        case Kind::list:
            return list_schema(json_schema(schema.parts[0]));
        case Kind::tuple:
            return tuple_schema(schema.parts);
        case Kind::map: {
            Node out = of_type("object");
            out.set("additionalProperties", json_schema(schema.parts[0]));
            return out;
        }
        case Kind::section:
            return section_schema(schema.fields);
        case Kind::module:
            return any_of({json_schema_reference(schema.module_kind)});
        case Kind::either:
            return either_schema(schema.parts);
    }
    return Node::map();
}

void accept_null(Node& schema) {
    if (Node* types = schema.find("anyOf")) {
        types->items().push_back(of_type("null"));
    } else if (Node* type = schema.find("type")) {
        if (!type->is_list()) *type = Node::list({*type});
        type->items().push_back(Node::string("null"));
    }
}

}  // namespace

Node json_schema(const OptionSchema& schema) {
    Node out = without_null(schema);
    if (schema.nullable) accept_null(out);
    return out;
}

Node json_schema(const OptionField& field) {
    const bool may_be_none = is_module(field.schema) && !field.required;
    return json_schema(may_be_none ? field.schema.or_null() : field.schema);
}

Node documented(Node schema, const std::string& words, const std::string& doc,
                const Node& default_value) {
    schema.set("title", Node::string(words));
    schema.set("description", Node::string(doc));
    if (!default_value.is_null() && !default_value.is_map() && is_json(default_value))
        schema.set("default", default_value);
    return schema;
}

Node json_schema_reference(const std::string& definition) {
    return map_with("$ref", Node::string("#/definitions/" + definition));
}

Node json_schema_names(const std::string& kind) {
    return json_schema_reference(module_names + kind);
}

Node json_schema_variable() {
    Node schema = of_type("string");
    schema.set("pattern", Node::string("\\$\\{"));
    return schema;
}

}  // namespace ailab
