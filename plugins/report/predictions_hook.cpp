#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <tuple>
#include <utility>

#include "ailab/number_text.hpp"
#include "classification.hpp"
#include "options/output_folder.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// One sample's line, which is sorted by the sample's number.
struct Line {
    int64_t id;
    size_t outputs;  // at the line's end; 0: it is of a classification
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

/// The numbers of a tensor of any shape, in order.
std::vector<std::string> numbers_of(Tensor tensor) {
    tensor = tensor.detach().to(at::kCPU);
    if (tensor.is_complex()) tensor = at::view_as_real(tensor.resolve_conj());
    std::vector<std::string> texts;
    texts.reserve(size_t(tensor.numel()));
    if (tensor.is_floating_point()) {
        tensor = tensor.to(at::kDouble).contiguous();
        const auto* value = tensor.const_data_ptr<double>();
        for (int64_t i = 0; i < tensor.numel(); ++i) texts.push_back(digits(value[i]));
    } else {
        tensor = tensor.to(at::kLong).contiguous();
        const auto* value = tensor.const_data_ptr<int64_t>();
        for (int64_t i = 0; i < tensor.numel(); ++i) texts.push_back(std::to_string(value[i]));
    }
    return texts;
}

/// What a model's output says of one sample: numbers, or a text.
struct Said {
    std::vector<std::string> numbers;
    std::optional<std::string> text;
};

/// Of each of `samples` samples; nothing where the output is not by sample.
std::optional<std::vector<Said>> said_by(const BatchField& output, size_t samples) {
    std::vector<Said> said;
    if (const auto* tensor = std::get_if<Tensor>(&output)) {
        if (tensor->dim() == 0 || tensor->size(0) != int64_t(samples)) return std::nullopt;
        const Tensor on_host = tensor->detach().to(at::kCPU);
        for (int64_t i = 0; i < on_host.size(0); ++i)
            said.push_back({numbers_of(on_host[i]), std::nullopt});
    } else if (const auto* list = std::get_if<std::vector<Tensor>>(&output)) {
        for (const Tensor& one : *list) said.push_back({numbers_of(one), std::nullopt});
    } else {
        for (const std::string& text : std::get<std::vector<std::string>>(output))
            said.push_back({{}, text});
    }
    if (said.size() != samples) return std::nullopt;
    return said;
}

/// The field that an input of the configured loss is bound to.
std::string loss_field(const Node& config, const char* input) {
    const Node* loss = config.find("loss");
    const Node* mapping = loss && loss->is_map() ? loss->find("mapping") : nullptr;
    const Node* field = mapping && mapping->is_map() ? mapping->find(input) : nullptr;
    return field && field->is_string() ? field->as_string() : input;
}

/// Of outputs that are yes or no, each by itself, the probabilities of yes, as the loss means them;
/// else not defined.
Tensor yes_probabilities(const BatchField& output, const std::optional<OutputKind>& kind) {
    const auto* tensor = std::get_if<Tensor>(&output);
    if (!tensor || !tensor->is_floating_point()) return {};
    if (kind == OutputKind::label_scores) return tensor->detach().to(at::kDouble).sigmoid();
    return kind == OutputKind::label_probabilities ? tensor->detach() : Tensor();
}

/// Of outputs of more values a sample the predicted classes are written.
constexpr int64_t most_values = 1000;

std::string join_sizes(at::IntArrayRef sizes) {
    std::vector<std::string> texts;
    for (const int64_t size : sizes) texts.push_back(std::to_string(size));
    return join(texts, ",");
}

/// The dimension of an output [N, …] that is the classes': the one that the targets [N, …] have
/// not; 1 or the last one, if both may be it by `last` (the loss's classes_last). Nothing where
/// targets are no numbers of classes.
std::optional<int64_t> class_dimension(const Tensor& output, const Batch& batch, bool last) {
    for (const char* name : {"target", "label"}) {
        const auto field = batch.fields.find(name);
        if (field == batch.fields.end()) continue;
        const auto* target = std::get_if<Tensor>(&field->second);
        if (!target || !c10::isIntegralType(target->scalar_type(), /*includeBool=*/false) ||
            target->dim() + 1 != output.dim())
            return std::nullopt;
        for (const int64_t dim :
             {last ? output.dim() - 1 : int64_t(1), last ? int64_t(1) : output.dim() - 1}) {
            std::vector<int64_t> others = output.sizes().vec();
            others.erase(others.begin() + dim);
            if (target->sizes() == at::IntArrayRef(others)) return dim;
        }
        return std::nullopt;
    }
    return std::nullopt;
}

std::string describe(const BatchField& output) {
    const auto* tensor = std::get_if<Tensor>(&output);
    return tensor ? c10::str(tensor->sizes()) : std::string("a list");
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
        told_ = for_classes_ = false;
        dataset_ = run.dataset(run.progress().phase);
        class_names_ = dataset_->class_names();
        const Node* loss = run.config().find("loss");
        const Node* last = loss && loss->is_map() ? loss->find("classes_last") : nullptr;
        classes_last_ = last && last->is_bool() && last->as_bool();
        kind_.reset();
        if (run.loss() && loss_field(run.config(), "output") == "output")
            kind_ = run.loss()->output_kind();
        target_ = loss_field(run.config(), "target");
    }

    void add(Run& run) {
        if (!wanted(run) || run.batch().size == 0) return;
        if (const auto verdicts = report::judge(run.batch())) {
            for (size_t i = 0; i < verdicts->samples.size(); ++i)
                add(verdicts->samples[i], verdicts->probabilities[int64_t(i)]);
        } else if (const auto field = run.batch().fields.find("output");
                   field != run.batch().fields.end()) {
            const auto* output = std::get_if<Tensor>(&field->second);
            const bool by_sample =
                output && output->dim() > 0 && output->size(0) == int64_t(run.batch().ids.size());
            if (by_sample && !o.scores && output->numel() / output->size(0) > most_values)
                add_shortened(run, *output);
            else
                add_outputs(run, field->second);
        }
    }

    /// Of an output of many values the predicted classes and their probabilities, or, where it has
    /// no classes, its shape.
    void add_shortened(Run& run, const Tensor& output) {
        const Batch& batch = run.batch();
        const auto dim = class_dimension(output, batch, classes_last_);
        if (!std::exchange(told_, true) && run.is_main())
            log_info("the model's output has ", output.numel() / output.size(0),
                     " values a sample: the predictions have ",
                     dim ? "the predicted classes" : "its shape",
                     " alone (scores: true in PredictionsHook writes all)");
        Tensor scores, classes;
        if (dim) std::tie(scores, classes) = output.detach().to(at::kFloat).softmax(*dim).max(*dim);
        const bool few = dim && scores.numel() / scores.size(0) <= most_values;
        const std::string shape = join_sizes(output.sizes().slice(1));
        if (dim) classes = classes.to(at::kCPU);
        if (few) scores = scores.to(at::kCPU);
        for (int64_t i = 0; i < output.size(0); ++i) {
            const int64_t id = batch.ids[size_t(i)];
            const std::string name = dataset_->sample_name(id);
            const auto predicted =
                dim ? numbers_of(classes[i]) : std::vector<std::string>{"[" + shape + "]"};
            if (o.format == "csv") {
                for_classes_ = dim.has_value();
                const std::string cells = dim ? join(predicted, ",") : csv_cell(predicted.front());
                lines_.push_back(
                    {id, predicted.size(), concat(id, ",", csv_cell(name), ",", cells)});
                continue;
            }
            std::string line = concat("{\"id\":", id, ",\"name\":", json_text(name));
            line += dim ? ",\"prediction\":[" + join(predicted, ",") + "]"
                        : ",\"output_shape\":" + predicted.front();
            if (few) line += ",\"probability\":[" + join(numbers_of(scores[i]), ",") + "]";
            lines_.push_back({id, 1, line + "}"});
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
            if (o.scores) line += "," + join(numbers_of(probabilities), ",");
        } else {
            line = concat("{\"id\":", verdict.id, ",\"name\":", json_text(name),
                          ",\"label\":", verdict.label, ",\"class\":", json_text(label),
                          ",\"prediction\":", verdict.predicted,
                          ",\"predicted_class\":", json_text(predicted),
                          ",\"probability\":", digits(verdict.probability));
            if (o.scores) line += ",\"scores\":[" + join(numbers_of(probabilities), ",") + "]";
            line += "}";
        }
        lines_.push_back({verdict.id, 0, std::move(line)});
    }

    /// The targets of the samples, where there is one each.
    std::optional<std::vector<Said>> targets_of(const Batch& batch) const {
        for (const std::string& name : {target_, std::string("label")})
            if (const auto field = batch.fields.find(name); field != batch.fields.end()) {
                const auto* tensor = std::get_if<Tensor>(&field->second);
                const bool many = tensor && tensor->dim() > 0 && tensor->size(0) > 0 &&
                                  tensor->numel() / tensor->size(0) > most_values;
                if (many && !o.scores) return std::nullopt;
                return said_by(field->second, batch.ids.size());
            }
        return std::nullopt;
    }

    /// Of what is no classification: the model's output as it is; of labels also the probabilities
    /// and what they say.
    void add_outputs(Run& run, const BatchField& output) {
        const Batch& batch = run.batch();
        const auto said = said_by(output, batch.ids.size());
        if (!said) {
            if (!std::exchange(told_, true))
                log_info("no predictions: the model's output is ", describe(output), " for ",
                         batch.ids.size(), " samples, not one entry a sample");
            return;
        }
        const auto value_of = [](const Said& one) {
            return one.text ? json_text(*one.text) : "[" + join(one.numbers, ",") + "]";
        };
        const Tensor yes = yes_probabilities(output, kind_);
        const auto shares = yes.defined() ? said_by(yes, batch.ids.size()) : std::nullopt;
        const auto says = yes.defined() ? said_by(yes.gt(0.5), batch.ids.size()) : std::nullopt;
        const auto targets = targets_of(batch);
        for (size_t i = 0; i < said->size(); ++i) {
            const Said& one = (*said)[i];
            const int64_t id = batch.ids[i];
            const std::string name = dataset_->sample_name(id);
            if (o.format == "csv") {
                const std::string cells = one.text ? csv_cell(*one.text) : join(one.numbers, ",");
                lines_.push_back({id, std::max<size_t>(1, one.numbers.size()),
                                  concat(id, ",", csv_cell(name), ",", cells)});
            } else {
                std::string line = concat("{\"id\":", id, ",\"name\":", json_text(name));
                if (targets) line += ",\"target\":" + value_of((*targets)[i]);
                if (says) line += ",\"prediction\":" + value_of((*says)[i]);
                if (shares) line += ",\"probability\":" + value_of((*shares)[i]);
                lines_.push_back({id, 1, line + ",\"output\":" + value_of(one) + "}"});
            }
        }
    }

    /// `outputs`: of the line that has the most.
    std::string header(size_t outputs) const {
        if (outputs > 0) {
            std::string line = "id,name";
            const char* what = for_classes_ ? ",prediction_" : ",output_";
            for (size_t i = 0; i < outputs; ++i) line += concat(what, i);
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
        for (const Line& line : lines_)
            mine += concat(line.id, "\t", line.outputs, "\t", line.text, "\n");
        lines_.clear();
        const std::vector<std::string> all = run.comm().gather_text(mine);
        if (!run.is_main()) return;
        std::vector<Line> sorted;
        size_t outputs = 0;
        for (const std::string& text : all) {
            std::istringstream stream(text);
            for (std::string line; std::getline(stream, line);) {
                const size_t first = line.find('\t'), second = line.find('\t', first + 1);
                sorted.push_back({std::stoll(line.substr(0, first)),
                                  std::stoull(line.substr(first + 1)), line.substr(second + 1)});
                outputs = std::max(outputs, sorted.back().outputs);
            }
        }
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const Line& a, const Line& b) { return a.id < b.id; });
        const fs::path path = fs::path(run.output_folder(o.output_dir.value, "")) /
                              file_name(phase_name(run.progress().phase));
        fs::create_directories(path.parent_path());
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        const bool table = o.format == "csv";
        if (table) file << header(outputs);
        // Samples may have different numbers of outputs; a table has one number of columns.
        for (const Line& line : sorted)
            file << line.text
                 << std::string(table && line.outputs > 0 ? outputs - line.outputs : 0, ',')
                 << '\n';
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
    std::optional<OutputKind> kind_;  // of the output
    std::string target_;              // the field
    int64_t classes_ = 0;
    bool told_ = false;  // that there are none, or short ones
    bool classes_last_ = false;
    bool for_classes_ = false;  // a table of predicted classes in place of outputs
};

}  // namespace

AILAB_REGISTER_HOOK(PredictionsHook,
                    "Writes what the model says of each sample, as JSON lines or CSV (priority 60)")

}  // namespace ailab
