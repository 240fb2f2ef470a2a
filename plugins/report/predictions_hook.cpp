#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "ailab/ailab.hpp"
#include "options/output_folder.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// One sample's line, which is sorted by the sample's number.
struct Line {
    int64_t id;
    size_t cells;  // of a table, behind the name
    std::string text;
};

/// A line stays one line.
std::string csv_cell(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (text.find_first_of(",\"\r") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

/// Nine digits: a float32 reads back as it was.
constexpr int digits = 9;

/// The cells that a field fills in a table.
std::vector<std::string> cells_of(const PredictionValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return {csv_cell(*text)};
    if (const auto* number = std::get_if<int64_t>(&value)) return {std::to_string(*number)};
    if (const auto* number = std::get_if<double>(&value))
        return number_texts(at::scalar_tensor(*number, at::kDouble), digits);
    if (const auto* tensor = std::get_if<Tensor>(&value)) return number_texts(*tensor, digits);
    const std::string object = PredictionLine().add("", value).str();  // {"":[1,2]}
    return {csv_cell(object.substr(4, object.size() - 5))};
}

class PredictionsHook final : public Hook {
  public:
    static constexpr Role role = roles::predictions;

    struct Options {
        std::string format = "jsonl";
        std::vector<std::string> phases = {"val", "test"};
        bool scores = false;
        GivenFolder output_dir;
        void visit(OptionVisitor& v) {
            v.option("format", format, "jsonl: a JSON object a line; csv: a table",
                     one_of({"jsonl", "csv"}));
            v.option("phases", phases, "of which evaluations", one_of({"val", "test"}));
            v.option("scores", scores,
                     "the probabilities of all classes too, and all values of outputs that have "
                     "more than 1000 a sample");
            v.option("output_dir", output_dir, "in place of the run's folder");
            v.rule([this] {
                return phases.empty() ? "phases is empty, so nothing would be written; name val or "
                                        "test, or leave it out for both"
                                      : "";
            });
        }
    };

    explicit PredictionsHook(const Options& options) : o(options) {}

    int default_priority() const override { return priority::below_normal; }
    bool changes_evaluations() const override { return false; }

    std::vector<std::string> output_paths() const override {
        std::vector<std::string> paths;
        for (const std::string& phase : o.phases)
            paths.push_back(
                (fs::path(o.output_dir.value.value_or("")) / file_name(phase)).string());
        return paths;
    }

    void before_run(Run& run) override {
        if (run.is_main() && !run.dry_run()) make_output_folder(o.output_dir, "output_dir");
    }
    void before_val_epoch(Run& run) override { begin(run); }
    void before_test_epoch(Run& run) override { begin(run); }
    void after_val_iter(Run& run) override { add(run); }
    void after_test_iter(Run& run) override { add(run); }
    void after_val_epoch(Run& run) override { write(run); }
    void after_test_epoch(Run& run) override { write(run); }
    void abandon_evaluation(Run&) override { lines_.clear(); }

  private:
    std::string file_name(const std::string& phase) const {
        return concat("predictions_", phase, ".", o.format);
    }
    bool wanted(Run& run) const {
        const std::string phase = phase_name(run.progress().phase);
        return std::find(o.phases.begin(), o.phases.end(), phase) != o.phases.end();
    }

    void begin(Run& run) {
        lines_.clear();
        header_.clear();
        told_ = false;
        task_ = &run.task();
        dataset_ = run.dataset(run.progress().phase);
    }

    void add(Run& run) {
        if (!wanted(run) || run.batch().size == 0) return;
        const Batch& batch = run.batch();
        PredictionForm form;
        form.all_values = o.scores;
        const Predictions said = task_->evaluate(batch, form);
        if (!said.none.empty() && !std::exchange(told_, true)) log_info(said.none);
        if (!said.shortened.empty()) tell_shortened(run, said);
        if (!said.samples.empty() && said.samples.size() != batch.ids.size())
            throw Error(concat("the task has said something of ", said.samples.size(),
                               " samples, and the batch has ", batch.ids.size()));
        for (size_t i = 0; i < said.samples.size(); ++i)
            o.format == "csv" ? add_row(batch.ids[i], said.samples[i])
                              : add_object(batch.ids[i], said.samples[i]);
    }

    void tell_shortened(Run& run, const Predictions& said) {
        if (std::exchange(told_, true) || !run.is_main()) return;
        const auto* output = std::get_if<Tensor>(&run.batch().fields.at(task_->context().output));
        log_info("the model's output has ", output ? output->numel() / output->size(0) : 0,
                 " values a sample: the predictions have ", said.shortened,
                 " alone (scores: true in PredictionsHook writes all)");
    }

    void add_object(int64_t id, const PredictionFields& fields) {
        PredictionLine line({.digits = digits, .flat = true});
        line.add("id", id).add("name", dataset_->sample_name(id)).add(fields);
        lines_.push_back({id, 0, line.str()});
    }

    /// A row has what the task has a column for.
    void add_row(int64_t id, const PredictionFields& fields) {
        std::string text = concat(id, ",", csv_cell(dataset_->sample_name(id)));
        size_t count = 0;
        for (const auto& [name, value] : fields) {
            const bool many = std::holds_alternative<Tensor>(value);
            if (!task_->column(name, many ? std::optional<int64_t>(0) : std::nullopt)) continue;
            const std::vector<std::string> cells = cells_of(value);
            for (const std::string& cell : cells) text += "," + cell;
            count += cells.size();
        }
        if (count > header_.size()) header_ = header_of(fields);
        lines_.push_back({id, count, std::move(text)});
    }

    std::vector<std::string> header_of(const PredictionFields& fields) const {
        std::vector<std::string> header;
        for (const auto& [name, value] : fields) {
            const auto* tensor = std::get_if<Tensor>(&value);
            const int64_t cells = !tensor                ? 1
                                  : tensor->is_complex() ? 2 * tensor->numel()
                                                         : tensor->numel();
            for (int64_t i = 0; i < cells; ++i) {
                const auto column =
                    task_->column(name, tensor ? std::optional<int64_t>(i) : std::nullopt);
                if (column) header.push_back(csv_cell(*column));
            }
        }
        return header;
    }

    /// All ranks' lines in the order of the samples. Collective.
    void write(Run& run) {
        if (!wanted(run)) return;
        std::string mine = concat(header_.size(), "\t", join(header_, ","), "\n");
        for (const Line& line : lines_)
            mine += concat(line.id, "\t", line.cells, "\t", line.text, "\n");
        lines_.clear();
        const std::vector<std::string> all = run.comm().gather_text(mine);
        if (!run.is_main()) return;
        std::vector<Line> sorted;
        std::string header;  // that of the longest row
        size_t columns = 0;
        for (const std::string& text : all) {
            std::istringstream stream(text);
            std::string line;
            std::getline(stream, line);
            const size_t end = line.find('\t'), count = std::stoull(line);
            if (count > columns) {
                columns = count;
                header = "," + line.substr(end + 1);
            }
            while (std::getline(stream, line)) {
                const size_t first = line.find('\t'), second = line.find('\t', first + 1);
                sorted.push_back({std::stoll(line.substr(0, first)),
                                  std::stoull(line.substr(first + 1)), line.substr(second + 1)});
            }
        }
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const Line& a, const Line& b) { return a.id < b.id; });
        const fs::path path = fs::path(run.output_folder(o.output_dir.value, "")) /
                              file_name(phase_name(run.progress().phase));
        fs::create_directories(path.parent_path());
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        const bool table = o.format == "csv";
        if (table) file << "id,name" << header << '\n';
        // Samples may have different numbers of outputs; a table has one number of columns.
        for (const Line& line : sorted)
            file << line.text << std::string(table ? columns - line.cells : 0, ',') << '\n';
        if (!file.flush())
            log_warning("the predictions cannot be written to ", path.string(), ": ",
                        std::strerror(errno));
        else
            log_info("predictions: ", path.string());
    }

    const Options o;
    const Task* task_ = nullptr;        // the run's
    const Dataset* dataset_ = nullptr;  // the run's
    std::vector<Line> lines_;
    std::vector<std::string> header_;  // of a table's longest row, behind id and name
    bool told_ = false;                // that there are none, or short ones
};

}  // namespace

AILAB_REGISTER_HOOK(PredictionsHook,
                    "Writes what the model says of each sample, as JSON lines or CSV (priority 60)")

}  // namespace ailab
