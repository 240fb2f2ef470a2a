#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ailab {

/// A CSV file that grows by rows. Its columns are those of the names that came until now: for a new
/// name the file is written again. A row that is not complete (the process was killed) is dropped
/// when the file is opened again.
class CsvTable {
  public:
    using Row = std::vector<std::pair<std::string, double>>;
    /// How much of a table there is.
    struct Extent {
        int64_t rows = 0;
        int64_t columns = 0;
    };

    /// With the rows of a file that is there. Throws Error.
    explicit CsvTable(std::string path);

    /// Cuts the table, and its file, back to what it had. False, and nothing is changed, when it
    /// has less. Throws Error.
    bool cut(const Extent& extent);
    /// Drops the rows whose first column, a number, is above `last`. Throws Error.
    void cut_behind(double last);
    Extent extent() const { return {int64_t(rows_.size()), int64_t(columns_.size())}; }

    /// Throws Error; the row is in the file then once a later one can be written.
    void add(const Row& row);

  private:
    void read();
    void rewrite();
    std::string line(const std::vector<std::string>& cells) const;

    const std::string path_;
    std::vector<std::string> columns_;
    std::vector<std::vector<std::string>> rows_;  // cells; columns that came later are not in them
    bool is_torn_ = false;                        // a row could not be written as a whole
};

}  // namespace ailab
