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

    /// Goes on with the rows of a file that is there whose first column is at most `last`; others
    /// were written by a run that was lost, and are dropped. Throws Error.
    CsvTable(std::string path, double last);

    /// The first value is that of the first column, by which rows are ordered. Throws Error; the
    /// row is then lost.
    void add(const Row& row);

  private:
    void read(double last);
    void rewrite() const;
    std::string line(const Row& row) const;

    const std::string path_;
    std::vector<std::string> columns_;
    std::vector<Row> rows_;
};

}  // namespace ailab
