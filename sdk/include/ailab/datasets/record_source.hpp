#pragma once
// Where a dataset's records come from. A record source holds places in files, not the records, so
// that millions of entries take little memory. Mistakes in a file are ConfigErrors of the
// constructor, with file and line.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ailab/datasets/record.hpp"
#include "ailab/digest.hpp"
#include "ailab/options.hpp"

namespace ailab {

/// Records by number. All const calls are thread-safe.
class AILAB_API RecordSource {
  public:
    virtual ~RecordSource();
    virtual int64_t size() const = 0;
    /// Record `index` of 0 … size()-1.
    virtual Record record(int64_t index) const = 0;
    /// The same with no more than what `keys` name, which is quicker where records are long.
    virtual Record part(int64_t index, const std::vector<std::string>& keys) const;
    /// Its place, without reading it.
    virtual std::string place(int64_t index) const = 0;
    /// What must be alike on all ranks: of a table its size and checksum, of folders the names of
    /// the files in them. By default the number of records.
    virtual DataDigest digest() const;
};

/// A text file (UTF-8) with one entry a line, which ends in LF, CR LF or CR; empty lines are left
/// out. The base of what follows.
class AILAB_API LineFile : public RecordSource {
  public:
    int64_t size() const override;
    std::string place(int64_t index) const override;
    DataDigest digest() const override;

  protected:
    explicit LineFile(const std::string& path);
    /// Reads every line once, so that mistakes are found before the run. At most a few are told.
    void check_lines() const;
    /// The same with `read`, which throws BrokenSample for a line that cannot be used.
    void check_lines(const std::function<void(int64_t)>& read) const;
    std::string line(int64_t index) const;
    Place node_place(int64_t index) const;
    /// Leaves out the first line (a header).
    void drop_first();

    /// An entry that is no line by itself.
    struct Extent {
        uint64_t begin = 0;  // in file_text()
        uint64_t length = 0;
        uint64_t number = 0;  // of its first line, from 1
    };
    std::string_view file_text() const;
    /// Has these entries in place of the lines.
    void replace_lines(const std::vector<Extent>& entries);

  private:
    struct Lines;
    std::shared_ptr<Lines> lines_;
};

/// A JSON object a line: `{"image": "a.jpg", "label": 3}`. A file that is not called .jsonl may
/// hold one list of such objects, however it is laid out. NaN and Infinity are numbers, as Python
/// and pandas write them.
class AILAB_API JsonLines : public LineFile {
  public:
    struct AILAB_API Options {
        std::string annotation_file;
        void visit(OptionVisitor& v);
    };
    explicit JsonLines(const Options& options);
    Record record(int64_t index) const override;
    Record part(int64_t index, const std::vector<std::string>& keys) const override;

  private:
    Record read(int64_t index, const std::vector<std::string>* keys) const;

    bool is_list_ = false;
};

/// Words a line: `images/a b.jpg 3`. The last columns are single words; the first takes the rest of
/// the line, blanks included.
class AILAB_API TextLines : public LineFile {
  public:
    struct AILAB_API Options {
        std::string annotation_file;
        std::vector<std::string> columns{"path", "label"};
        void visit(OptionVisitor& v);
    };
    explicit TextLines(const Options& options);
    Record record(int64_t index) const override;

  private:
    const std::vector<std::string> columns_;
};

/// A table (RFC 4180, one record a line) whose first line names the columns.
class AILAB_API CsvTable : public LineFile {
  public:
    struct AILAB_API Options {
        std::string annotation_file;
        std::string delimiter = ",";
        void visit(OptionVisitor& v);
    };
    explicit CsvTable(const Options& options);
    Record record(int64_t index) const override;
    Record part(int64_t index, const std::vector<std::string>& keys) const override;
    const std::vector<std::string>& columns() const { return columns_; }

  private:
    void check_width(int64_t index) const;

    const char delimiter_;
    std::vector<std::string> columns_;
    std::unordered_map<std::string, size_t> numbers_;  // of the columns
};

/// A folder a class: `root/cat/….jpg`, searched to any depth. Records: path, class, label. Classes
/// and files are in torchvision's order: folders by their paths' bytes, in each the files by their
/// names'. Hidden folders (`.ipynb_checkpoints`), `__MACOSX` and its files `._…` are left out, with
/// a line in the log.
class AILAB_API ClassFolders : public RecordSource {
  public:
    struct AILAB_API Options {
        std::string root;
        std::vector<std::string> extensions{"jpg", "jpeg", "png",  "ppm", "bmp",
                                            "pgm", "tif",  "tiff", "webp"};
        bool allow_empty = false;
        void visit(OptionVisitor& v);
    };
    explicit ClassFolders(const Options& options);

    int64_t size() const override { return int64_t(files_.size()); }
    Record record(int64_t index) const override;
    std::string place(int64_t index) const override;
    DataDigest digest() const override;
    const std::vector<std::string>& classes() const { return classes_; }
    int64_t label(int64_t index) const { return files_.at(size_t(index)).label; }

  private:
    struct File {
        std::string path;  // below root
        int64_t label = 0;
    };
    const std::string root_;
    std::vector<std::string> classes_;
    std::vector<File> files_;
};

/// A COCO annotation file (cocodataset.org/#format-data), an entry an image: file_name, height,
/// width, id, and `annotations`, the list of those of the image.
class AILAB_API CocoJson : public RecordSource {
  public:
    struct AILAB_API Options {
        std::string annotation_file;
        void visit(OptionVisitor& v);
    };
    struct Category {
        int64_t id = 0;
        std::string name;
    };
    explicit CocoJson(const Options& options);

    int64_t size() const override;
    Record record(int64_t index) const override;
    std::string place(int64_t index) const override;
    DataDigest digest() const override;
    /// In the file's order.
    const std::vector<Category>& categories() const;

  private:
    struct Contents;
    std::shared_ptr<const Contents> contents_;
};

/// A PASCAL VOC folder, an entry an image of `ImageSets/Main/<split>.txt`: path (of the image),
/// filename, width, height, and `objects`, a list of {name, difficult, xmin, ymin, xmax, ymax}.
class AILAB_API VocXml : public RecordSource {
  public:
    struct AILAB_API Options {
        std::string root;
        std::string split = "train";
        void visit(OptionVisitor& v);
    };
    explicit VocXml(const Options& options);

    int64_t size() const override { return int64_t(names_.size()); }
    Record record(int64_t index) const override;
    std::string place(int64_t index) const override;
    DataDigest digest() const override;

  private:
    const std::string root_;
    std::vector<std::string> names_;
};

}  // namespace ailab
