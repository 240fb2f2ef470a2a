#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "ailab/datasets/record_source.hpp"
#include "ailab/log.hpp"
#include "support/folder_chain.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return char(std::tolower(c)); });
    return text;
}

/// What file managers, macOS and notebooks leave behind.
bool is_left_out_folder(const std::string& name) {
    return name.starts_with('.') || name == "__MACOSX";
}
bool is_left_out_file(const std::string& name) {
    return name.starts_with("._");
}

/// Goes through a folder that holds a folder a class.
class FolderWalk {
  public:
    explicit FolderWalk(const std::vector<std::string>& extensions) {
        for (const std::string& extension : extensions)
            extensions_.insert(lower(extension.starts_with('.') ? extension.substr(1) : extension));
    }

    /// Names of the folders in `root`, in the order of their bytes.
    std::vector<std::string> folders_of(const fs::path& root) {
        std::vector<std::string> names;
        for (const fs::directory_entry& entry : fs::directory_iterator(root))
            if (is_folder(entry) && !leaves_out_folder(entry))
                names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }

    /// The files below `folder` with one of the extensions, in the order of torchvision: that of
    /// Python's sorted(os.walk()) is by the whole paths of folders, so "a-b" comes before "a/b".
    std::vector<std::string> files_below(const fs::path& folder) {
        found_.clear();
        gather(folder, 0);
        std::sort(found_.begin(), found_.end());
        std::vector<std::string> files;
        for (const auto& [in, name] : found_) files.push_back(in + "/" + name);
        return files;
    }

    /// What was left out, and of that the first.
    int64_t left_out() const { return left_out_; }
    const std::string& example() const { return example_; }

  private:
    /// A link that leads nowhere, or to itself, is a file that cannot be read.
    static bool is_folder(const fs::directory_entry& entry) {
        std::error_code none;
        return entry.is_directory(none);
    }

    /// `depth`: below the class's folder.
    void gather(const fs::path& folder, size_t depth) {
        chain_.enter(folder.string(), depth);
        for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
            const fs::path& path = entry.path();
            if (is_folder(entry)) {
                if (!leaves_out_folder(entry)) gather(path, depth + 1);
                continue;
            }
            std::string extension = lower(path.extension().string());
            if (!extension.empty()) extension.erase(0, 1);
            if (!extensions_.count(extension)) continue;
            const std::string name = path.filename().string();
            if (is_left_out_file(name))
                leave_out(path);
            else
                found_.emplace_back(folder.string(), name);
        }
    }

    bool leaves_out_folder(const fs::directory_entry& entry) {
        if (!is_left_out_folder(entry.path().filename().string())) return false;
        leave_out(entry.path());
        return true;
    }
    void leave_out(const fs::path& path) {
        if (left_out_++ == 0 || path.string() < example_) example_ = path.string();
    }

    FolderChain chain_;
    std::set<std::string> extensions_;
    std::vector<std::pair<std::string, std::string>> found_;  // folder and name
    int64_t left_out_ = 0;
    std::string example_;
};

}  // namespace

void ClassFolders::Options::visit(OptionVisitor& v) {
    v.required("root", root, "a folder that holds a folder a class");
    v.option("extensions", extensions, "of the files that are samples, in any case");
    v.option("allow_empty", allow_empty, "classes without a file are no mistake");
}

ClassFolders::ClassFolders(const Options& options) : root_(options.root) {
    if (root_.empty())
        throw ConfigError("root is empty: give a folder that holds a folder a class");
    if (!fs::is_directory(root_))
        throw ConfigError(concat(root_, fs::exists(root_) ? " is no folder" : " does not exist",
                                 ": root is a folder that holds a folder a class"));
    FolderWalk walk(options.extensions);
    classes_ = walk.folders_of(root_);
    if (classes_.empty())
        throw ConfigError(
            concat(root_, " holds no folder: there must be one a class, with its images in it"));
    std::vector<std::string> empty;
    for (size_t label = 0; label < classes_.size(); ++label) {
        const std::vector<std::string> files = walk.files_below(fs::path(root_) / classes_[label]);
        if (files.empty()) empty.push_back(classes_[label]);
        for (const std::string& file : files)
            files_.push_back({fs::path(file).lexically_relative(root_).string(), int64_t(label)});
    }
    if (walk.left_out() > 0)
        log_info(
            root_, ": ", walk.left_out(),
            walk.left_out() == 1 ? " hidden folder or file is" : " hidden folders and files are",
            " left out (", walk.example(), ")");
    if (!empty.empty() && !options.allow_empty)
        throw ConfigError(concat(root_, ": no files of ", empty.size() == 1 ? "class " : "classes ",
                                 join(empty), ". Files must end in one of ",
                                 join(options.extensions),
                                 "; allow_empty: true accepts classes without any"));
}

std::string ClassFolders::place(int64_t index) const {
    return (fs::path(root_) / files_.at(size_t(index)).path).string();
}

DataDigest ClassFolders::digest() const {
    Digest names;
    for (const File& file : files_) names.add(file.path);
    return {{"files", concat(files_.size(), ", ", names.str())}};
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
