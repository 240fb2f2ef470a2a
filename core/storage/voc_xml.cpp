#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <filesystem>
#include <limits>
#include <sstream>

#include "ailab/datasets/storage.hpp"
#include "config/regular_file.hpp"

namespace ailab {

namespace {

using Tree = boost::property_tree::ptree;

const std::vector<std::string> corners = {"xmin", "ymin", "xmax", "ymax"};

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
        std::istringstream text(file.text());
        Tree whole;
        boost::property_tree::read_xml(text, whole);
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
