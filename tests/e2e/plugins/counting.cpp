// A task and two exporters of a user's own: how many dots an image has. The model's output is the
// logarithm of their rate.
#include <ailab/ailab.hpp>
#include <charconv>
#include <fstream>

AILAB_PLUGIN("counting", "1.0", "Counts dots: a data set, a model, a task and two exporters")

namespace {

namespace nn = torch::nn;
using ailab::Tensor;

constexpr int64_t side = 8;

/// Image i has i % 5 white pixels.
class Dots : public ailab::Dataset {
  public:
    struct Options {
        int64_t size = 20;
        void visit(ailab::OptionVisitor& v) { v.option("size", size, "number of images"); }
    };
    explicit Dots(const Options& options) : size_(options.size) {}
    int64_t size() const override { return size_; }
    std::string sample_name(int64_t i) const override { return ailab::concat("dots ", i); }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const Tensor image = torch::zeros({1, side, side});
        for (int64_t dot = 0; dot < i % 5; ++dot)
            image.view({-1})[(i * 7 + dot * 13) % (side * side)] = 1;
        return {image, torch::scalar_tensor(i % 5, torch::kLong)};
    }

  private:
    const int64_t size_;
};
AILAB_REGISTER_DATASET(Dots, "Images with some white pixels")

/// One number a sample: [N] or [N, 1].
class Rate : public ailab::Model {
  public:
    struct Options {
        bool column = false;
        void visit(ailab::OptionVisitor& v) {
            v.option("column", column, "[N, 1] in place of [N]");
        }
    };
    explicit Rate(const Options& options) : column_(options.column) {
        fc = register_module("fc", nn::Linear(side * side, 1));
        const torch::NoGradGuard no_grad;
        for (const Tensor& p : parameters())
            p.copy_(
                torch::sin(torch::arange(p.numel(), torch::kDouble) * 1.3 + 0.4).view(p.sizes()) /
                4);
    }
    Tensor forward(const Tensor& x) override {
        const Tensor y = fc(x.flatten(1));
        return column_ ? y : y.squeeze(1);
    }

  private:
    const bool column_;
    nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(Rate, "A linear layer with one output")

class Counting : public ailab::Task {
  public:
    struct Options {
        std::string unit = "dots";
        void visit(ailab::OptionVisitor& v) { v.option("unit", unit, "what is counted"); }
    };
    explicit Counting(const Options& options) : unit_(options.unit) {}

    ailab::Predictions predict(const ailab::Batch& outputs,
                               const ailab::PredictionForm&) const override {
        ailab::Predictions said;
        const Tensor rates = rates_of(outputs);
        for (int64_t i = 0; i < rates.size(0); ++i) {
            const double rate = rates[i].item<double>();
            said.samples.push_back({{"count", int64_t(std::lround(rate))}, {"rate", rate}});
        }
        return said;
    }

    Tensor mean(const Tensor& outputs) const override { return outputs.exp().mean(0).log(); }

    std::unique_ptr<ailab::Findings> findings(int64_t worst) const override;

    std::string caption(const ailab::Sample& sample) const override {
        return ailab::concat(sample.tensor("target").item<int64_t>(), " ", unit_);
    }

    /// A red pixel of the first row for each.
    Tensor draw(const Tensor& picture, const ailab::Sample& sample) const override {
        const Tensor drawn = picture.clone();
        const Tensor row = drawn.select(1, 0).narrow(1, 0, sample.tensor("target").item<int64_t>());
        row.zero_();
        row[0].fill_(255);
        return drawn;
    }

  private:
    friend class CountFindings;
    Tensor rates_of(const ailab::Batch& batch) const {
        return output_of(batch).detach().to(torch::kCPU, torch::kDouble).flatten().exp();
    }
    const std::string unit_;
};

class CountFindings : public ailab::Findings {
  public:
    CountFindings(const Counting& task, int64_t worst) : task_(task), worst_(worst) {}

    void add(const ailab::Batch& batch) override {
        const Tensor rates = task_.rates_of(batch);
        const Tensor wanted = batch.tensor("target").to(torch::kDouble).flatten();
        const Tensor off = (rates.round() - wanted).abs();
        sums_ += torch::stack({off.eq(0).sum(), off.eq(1).sum(), torch::tensor(off.numel())});
        for (int64_t i = 0; i < off.numel(); ++i)
            worst_.add(batch.ids[size_t(i)], off[i].item<double>(), [&] {
                const std::string found = ailab::concat(rates[i].item<double>());
                return ailab::WorstSamples::Words{"counted " + found, {found}};
            });
    }
    void gather(ailab::Comm& comm, const ailab::Dataset& dataset) override {
        comm.all_reduce_sum(sums_);
        worst_.gather(comm, dataset, task_);
    }
    std::string text(const std::string& phase) const override {
        return ailab::concat("counts of ", phase, ": ", number(0), " of ", number(2), " right");
    }
    void show(ailab::Page& page, const std::string& phase) const override {
        page.heading(ailab::concat("Counts, ", phase));
        page.table(
            {"right", "off by one", "samples"},
            {{std::to_string(number(0)), std::to_string(number(1)), std::to_string(number(2))}});
        worst_.show(page, "Miscounted, " + phase, {"rate"});
    }

  private:
    int64_t number(int64_t i) const { return sums_[i].item<int64_t>(); }

    const Counting& task_;
    Tensor sums_ = torch::zeros({3}, torch::kLong);
    ailab::WorstSamples worst_;
};

std::unique_ptr<ailab::Findings> Counting::findings(int64_t worst) const {
    return std::make_unique<CountFindings>(*this, worst);
}
AILAB_REGISTER_TASK(Counting, "How many of something there are: the output is the rate's logarithm")

/// "counts 1", then the bias and the weights, a line each.
class CountsText : public ailab::Exporter {
  public:
    struct Options {
        double tolerance = 1e-5;
        void visit(ailab::OptionVisitor& v) {
            v.option("tolerance", tolerance, "of the outputs that are read back");
        }
    };
    explicit CountsText(const Options& options) : tolerance_(options.tolerance) {}

    std::string write(ailab::TrainedModel& model, const Tensor&,
                      const std::string& path) const override {
        ailab::NewModelFile file(path);
        file.write("counts 1\n");
        std::map<std::string, Tensor> weights;
        for (const auto& [name, tensor] : model.weights()) weights[name] = tensor;
        for (const char* name : {"fc.bias", "fc.weight"})
            for (const std::string& number : ailab::number_texts(weights.at(name), 9))
                file.write(number + "\n");
        file.finish();
        return "";
    }
    ailab::TrainedModel::Forward read(const ailab::TrainedModel&,
                                      const std::string& path) const override {
        std::ifstream file(path);
        std::string head;
        std::getline(file, head);
        std::vector<double> numbers;
        for (double number; file >> number;) numbers.push_back(number);
        if (head != "counts 1" || numbers.empty()) throw ailab::Error(path + " holds no counts");
        const Tensor all = torch::tensor(numbers, torch::kFloat);
        return [all](const Tensor& x) { return x.flatten(1).mv(all.slice(0, 1)) + all[0]; };
    }
    double tolerance() const override { return tolerance_; }

  private:
    const double tolerance_;
};
AILAB_REGISTER_EXPORTER(CountsText, "counts", "numbers of a linear layer, a line each")

/// What nothing reads again.
class Summary : public ailab::Exporter {
  public:
    std::string write(ailab::TrainedModel& model, const Tensor& example,
                      const std::string& path) const override {
        ailab::NewModelFile file(path);
        ailab::Batch batch{{model.task().context().output, model.forward(example)}};
        batch.size = batch.global_size = example.size(0);
        for (const ailab::PredictionFields& said : model.task().predict(batch, {}).samples)
            file.write(ailab::PredictionLine().add(said).str() + "\n");
        file.finish();
        return "";
    }
};
AILAB_REGISTER_EXPORTER(Summary, "summary", "what the model says of the first samples")

}  // namespace
