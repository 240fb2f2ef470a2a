#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ailab {

/// A CSV file that grows by rows. Its columns are those of the names that came until now: for a new
/// name the file is written again. A row that is not complete (the process was killed) is dropped
/// when the file is opened again.
class CsvLog {
  public:
    using Row = std::vector<std::pair<std::string, double>>;
    /// How much of a table there is.
    struct Extent {
        int64_t rows = 0;
        int64_t columns = 0;
    };

    /// With the rows of a file that is there. Throws Error.
    explicit CsvLog(std::string path);

    /// Cuts the table, and its file, back to what it had. False, and nothing is changed, when it
    /// has less. Throws Error.
    bool cut(const Extent& extent);
    /// Drops the rows whose first column, a number, is above `last`. Throws Error.
    void cut_behind(double last);
    /// Of the file.
    Extent extent() const { return {rows_, int64_t(columns_.size())}; }

    /// Throws Error; the row is in the file then once a later one can be written.
    void add(const Row& row);

  private:
    using Cells = std::vector<std::string>;  // of a row; columns that came later are not in it
    struct Content {
        Cells columns;
        std::vector<Cells> rows;
        bool is_torn = false;  // there are rows that were not written as a whole
    };

    Content read() const;
    void rewrite(const std::vector<Cells>& rows);
    std::string line(Cells cells) const;

    const std::string path_;
    Cells columns_;
    // A run may have millions of rows: they stay in the file, but for those that could not be
    // written.
    int64_t rows_ = 0;
    std::vector<Cells> waiting_;
    bool is_torn_ = false;
};

}  // namespace ailab
