#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "ailab/datasets/storage.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return char(std::tolower(c)); });
    return text;
}

/// Names of the folders in `root`, in the order of their bytes.
std::vector<std::string> folders_of(const std::string& root) {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(root))
        if (entry.is_directory()) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// The files below `folder` with one of the extensions, in the order that torchvision takes:
/// folders by name, in each the files by name.
void gather(const fs::path& folder, const std::set<std::string>& extensions,
            std::vector<fs::path>& files) {
    std::vector<fs::path> here, folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        if (entry.is_directory()) {
            folders.push_back(entry.path());
            continue;
        }
        std::string extension = lower(entry.path().extension().string());
        if (!extension.empty()) extension.erase(0, 1);
        if (extensions.count(extension)) here.push_back(entry.path());
    }
    std::sort(here.begin(), here.end());
    std::sort(folders.begin(), folders.end());
    files.insert(files.end(), here.begin(), here.end());
    for (const fs::path& next : folders) gather(next, extensions, files);
}

}  // namespace

void ClassFolders::Options::visit(OptionVisitor& v) {
    v.required("root", root, "a folder that holds a folder a class");
    v.option("extensions", extensions, "of the files that are samples, in any case");
    v.option("allow_empty", allow_empty, "classes without a file are no mistake");
}

ClassFolders::ClassFolders(const Options& options) : root_(options.root) {
    if (!fs::is_directory(root_))
        throw ConfigError(concat(root_, fs::exists(root_) ? " is no folder" : " does not exist",
                                 ": root is a folder that holds a folder a class"));
    classes_ = folders_of(root_);
    if (classes_.empty())
        throw ConfigError(
            concat(root_, " holds no folder: there must be one a class, with its images in it"));
    std::set<std::string> extensions;
    for (const std::string& extension : options.extensions)
        extensions.insert(lower(extension.starts_with('.') ? extension.substr(1) : extension));
    std::vector<std::string> empty;
    for (size_t label = 0; label < classes_.size(); ++label) {
        std::vector<fs::path> files;
        gather(fs::path(root_) / classes_[label], extensions, files);
        if (files.empty()) empty.push_back(classes_[label]);
        for (const fs::path& file : files)
            files_.push_back({file.lexically_relative(root_).string(), int64_t(label)});
    }
    if (!empty.empty() && !options.allow_empty)
        throw ConfigError(concat(root_, ": no files of ", empty.size() == 1 ? "class " : "classes ",
                                 join(empty), ". Files must end in one of ",
                                 join(options.extensions),
                                 "; allow_empty: true accepts classes without any"));
}

std::string ClassFolders::place(int64_t index) const {
    return (fs::path(root_) / files_.at(size_t(index)).path).string();
}

Record ClassFolders::record(int64_t index) const {
    const File& file = files_.at(size_t(index));
    Node values = Node::map({}, {std::make_shared<const std::string>(place(index)), 0, 0});
    values.set("path", Node::string(place(index)));
    values.set("class", Node::string(classes_[size_t(file.label)]));
    values.set("label", Node(Node::Value(file.label)));
    return Record(std::move(values));
}

}  // namespace ailab
