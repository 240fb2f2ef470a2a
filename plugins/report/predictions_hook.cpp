#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ailab/number_text.hpp"
#include "classification.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// One sample's line, which is sorted by the sample's number.
struct Line {
    int64_t id;
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

/// Names need not be UTF-8.
std::string json_text(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Nine digits: a float32 reads back as it was. JSON has no NaN.
std::string digits(double value) {
    return std::isfinite(value) ? general_text(value, 9) : "null";
}

std::string joined(const Tensor& numbers) {
    std::vector<std::string> texts;
    for (int64_t i = 0; i < numbers.size(0); ++i)
        texts.push_back(digits(numbers[i].item<double>()));
    return join(texts, ",");
}

class PredictionsHook final : public Hook {
  public:
    struct Options {
        std::string format = "jsonl";
        std::vector<std::string> phases = {"val", "test"};
        bool scores = false;
        std::optional<std::string> output_dir;
        void visit(OptionVisitor& v) {
            v.option("format", format, "jsonl: a JSON object a line; csv: a table",
                     one_of({"jsonl", "csv"}));
            v.option("phases", phases, "of which evaluations", one_of({"val", "test"}));
            v.option("scores", scores, "the probabilities of all classes too");
            v.option("output_dir", output_dir, "in place of the run's folder");
        }
    };

    explicit PredictionsHook(const Options& options) : o(options) {}

    int default_priority() const override { return priority::below_normal; }

    std::vector<std::string> output_paths() const override {
        std::vector<std::string> paths;
        for (const std::string& phase : o.phases)
            paths.push_back((fs::path(o.output_dir.value_or("")) / file_name(phase)).string());
        return paths;
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
        dataset_ = run.dataset(run.progress().phase);
        class_names_ = dataset_->class_names();
    }

    void add(Run& run) {
        if (!wanted(run) || run.batch().size == 0) return;
        if (const auto verdicts = report::judge(run.batch())) {
            for (size_t i = 0; i < verdicts->samples.size(); ++i)
                add(verdicts->samples[i], verdicts->probabilities[int64_t(i)]);
        } else if (const auto field = run.batch().fields.find("output");
                   field != run.batch().fields.end()) {
            if (const auto* output = std::get_if<Tensor>(&field->second))
                add_outputs(run.batch(), output->detach().to(at::kCPU, at::kDouble).flatten(1));
        }
    }

    void add(const report::Verdict& verdict, const Tensor& probabilities) {
        const std::string name = dataset_->sample_name(verdict.id);
        const std::string label = report::class_name(class_names_, verdict.label);
        const std::string predicted = report::class_name(class_names_, verdict.predicted);
        classes_ = probabilities.size(0);
        std::string line;
        if (o.format == "csv") {
            line = concat(verdict.id, ",", csv_cell(name), ",", verdict.label, ",", csv_cell(label),
                          ",", verdict.predicted, ",", csv_cell(predicted), ",",
                          digits(verdict.probability));
            if (o.scores) line += "," + joined(probabilities);
        } else {
            line = concat("{\"id\":", verdict.id, ",\"name\":", json_text(name),
                          ",\"label\":", verdict.label, ",\"class\":", json_text(label),
                          ",\"prediction\":", verdict.predicted,
                          ",\"predicted_class\":", json_text(predicted),
                          ",\"probability\":", digits(verdict.probability));
            if (o.scores) line += ",\"scores\":[" + joined(probabilities) + "]";
            line += "}";
        }
        lines_.push_back({verdict.id, std::move(line)});
    }

    /// Of what is no classification: the model's numbers.
    void add_outputs(const Batch& batch, const Tensor& outputs) {
        outputs_ = outputs.size(1);
        const int64_t count = std::min(outputs.size(0), int64_t(batch.ids.size()));
        for (int64_t i = 0; i < count; ++i) {
            const int64_t id = batch.ids[size_t(i)];
            const std::string name = dataset_->sample_name(id);
            lines_.push_back({id, o.format == "csv"
                                      ? concat(id, ",", csv_cell(name), ",", joined(outputs[i]))
                                      : concat("{\"id\":", id, ",\"name\":", json_text(name),
                                               ",\"output\":[", joined(outputs[i]), "]}")});
        }
    }

    std::string header() const {
        if (o.format != "csv") return "";
        if (outputs_ > 0) {
            std::string line = "id,name";
            for (int64_t i = 0; i < outputs_; ++i) line += concat(",output_", i);
            return line + "\n";
        }
        std::string line = "id,name,label,class,prediction,predicted_class,probability";
        if (o.scores)
            for (int64_t c = 0; c < classes_; ++c)
                line += "," + csv_cell(report::class_name(class_names_, c));
        return line + "\n";
    }

    /// All ranks' lines in the order of the samples. Collective.
    void write(Run& run) {
        if (!wanted(run)) return;
        std::string mine;
        for (const Line& line : lines_) mine += concat(line.id, "\t", line.text, "\n");
        lines_.clear();
        const std::vector<std::string> all = run.comm().gather_text(mine);
        if (!run.is_main()) return;
        std::vector<Line> sorted;
        for (const std::string& text : all) {
            std::istringstream stream(text);
            for (std::string line; std::getline(stream, line);) {
                const size_t tab = line.find('\t');
                sorted.push_back({std::stoll(line.substr(0, tab)), line.substr(tab + 1)});
            }
        }
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const Line& a, const Line& b) { return a.id < b.id; });
        const fs::path path = fs::path(run.output_folder(o.output_dir, "")) /
                              file_name(phase_name(run.progress().phase));
        fs::create_directories(path.parent_path());
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        file << header();
        for (const Line& line : sorted) file << line.text << '\n';
        if (!file.flush())
            log_warning("the predictions cannot be written to ", path.string(), ": ",
                        std::strerror(errno));
        else
            log_info("predictions: ", path.string());
    }

    const Options o;
    const Dataset* dataset_ = nullptr;  // the run's
    std::vector<std::string> class_names_;
    std::vector<Line> lines_;
    int64_t classes_ = 0;
    int64_t outputs_ = 0;
};

}  // namespace

AILAB_REGISTER_HOOK(PredictionsHook,
                    "Writes what the model says of each sample, as JSON lines or CSV (priority 60)")

}  // namespace ailab
