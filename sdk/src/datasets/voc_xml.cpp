#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <filesystem>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>

#include "ailab/datasets/record_source.hpp"
#include "ailab/support/regular_file.hpp"

namespace ailab {

namespace {

using Tree = boost::property_tree::ptree;

const std::vector<std::string> corners = {"xmin", "ymin", "xmax", "ymax"};

constexpr std::string_view blanks = " \t\r\n";

/// The place behind the tag that begins an element at `at`, and whether it ends it too.
std::pair<size_t, bool> end_of_tag(std::string_view text, size_t at) {
    at = std::min(text.find_first_of(" \t\r\n/>?", at + 1), text.size());  // its name
    char last = '\0';
    for (; at < text.size() && text[at] != '>'; ++at) {
        const char c = text[at];
        if ((c == '"' || c == '\'') && last == '=')
            at = std::min(text.find(c, at + 1), text.size() - 1);
        if (blanks.find(c) == blanks.npos) last = c;
    }
    return {at, last == '/'};
}

/// Throws BrokenSample where elements lie within each other deeper than in any annotation: Boost's
/// parser calls itself for each, and its stack has an end. What is an element is as for it
/// (rapidxml's parse_node), also in texts that are no XML.
void check_depth(std::string_view text, const std::string& path) {
    constexpr int deepest = 64;
    int depth = 0;
    for (size_t at = 0; (at = text.find('<', at)) < text.size();) {
        const std::string_view rest = text.substr(at);
        const auto behind = [&](size_t begin, std::string_view end) {
            const size_t found = text.find(end, at + begin);
            return found == text.npos ? text.size() : found + end.size();
        };
        const bool is_doctype =
            rest.size() > 9 && rest.starts_with("<!DOCTYPE") && blanks.find(rest[9]) != blanks.npos;
        if (rest.starts_with("<!--")) {
            at = behind(4, "-->");
        } else if (rest.starts_with("<![CDATA[")) {
            at = behind(9, "]]>");
        } else if (rest.starts_with("<?")) {
            at = behind(2, "?>");
        } else if (is_doctype) {  // anything may stand in its brackets
            for (int brackets = 0; at < text.size() && (brackets > 0 || text[at] != '>'); ++at)
                brackets += text[at] == '[' ? 1 : text[at] == ']' && brackets > 0 ? -1 : 0;
        } else if (rest.starts_with("<!")) {
            at = behind(2, ">");
        } else if (rest.starts_with("</")) {
            at = behind(2, ">");
            depth = std::max(0, depth - 1);
        } else {
            if (++depth > deepest)
                throw BrokenSample(concat(path,
                                          ": no annotation of PASCAL VOC: elements lie within each "
                                          "other deeper than ",
                                          deepest, " levels"));
            const auto [end, ends_element] = end_of_tag(text, at);
            at = end;
            if (ends_element) --depth;
        }
    }
}

Node object_of(const Tree& tree) {
    Node object = Node::map();
    object.set("name", Node::string(tree.get<std::string>("name")));
    object.set("difficult", Node(Node::Value(tree.get<int>("difficult", 0) != 0)));
    for (const std::string& corner : corners)
        object.set(corner, Node(Node::Value(tree.get<double>("bndbox." + corner))));
    return object;
}

}  // namespace

void VocXml::Options::visit(OptionVisitor& v) {
    v.required("root", root, "the folder that holds Annotations, ImageSets and JPEGImages");
    v.option("split", split, "names the list ImageSets/Main/<split>.txt");
}

VocXml::VocXml(const Options& options) : root_(options.root) {
    const auto path =
        std::filesystem::path(root_) / "ImageSets" / "Main" / (options.split + ".txt");
    const RegularFile file(path.string());
    if (!file.problem().empty())
        throw ConfigError(concat(path.string(), " cannot be read: ", file.problem(),
                                 ". root is the folder that holds Annotations, ImageSets and "
                                 "JPEGImages"));
    std::istringstream list(file.text());
    std::string name;
    while (list >> name) {
        names_.push_back(name);
        list.ignore(std::numeric_limits<std::streamsize>::max(), '\n');  // lists of one class: ±1
    }
}

std::string VocXml::place(int64_t index) const {
    return (std::filesystem::path(root_) / "Annotations" / (names_.at(size_t(index)) + ".xml"))
        .string();
}

DataDigest VocXml::digest() const {
    Digest names;
    for (const std::string& name : names_) names.add(name);
    return {{"images of the split", names.str()}};
}

Record VocXml::record(int64_t index) const {
    const std::string path = place(index);
    Node values = Node::map({}, {std::make_shared<const std::string>(path), 0, 0});
    const RegularFile file(path);
    if (!file.problem().empty())
        throw BrokenSample(concat(path, " cannot be read: ", file.problem()));
    try {
        const std::string text = file.text();
        check_depth(text, path);
        std::istringstream stream(text);
        Tree whole;
        boost::property_tree::read_xml(stream, whole);
        const Tree& tree = whole.get_child("annotation");
        const auto filename = tree.get<std::string>("filename");
        values.set("filename", Node::string(filename));
        values.set("path",
                   Node::string((std::filesystem::path(root_) / "JPEGImages" / filename).string()));
        values.set("width", Node(Node::Value(tree.get<int64_t>("size.width"))));
        values.set("height", Node(Node::Value(tree.get<int64_t>("size.height"))));
        Node objects = Node::list();
        for (const auto& [key, child] : tree)
            if (key == "object") objects.items().push_back(object_of(child));
        values.set("objects", std::move(objects));
    } catch (const boost::property_tree::ptree_error& error) {
        throw BrokenSample(concat(path, ": no annotation of PASCAL VOC: ", error.what()));
    }
    return Record(std::move(values));
}

}  // namespace ailab
