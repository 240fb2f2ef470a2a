#include "infer.hpp"

#include <ATen/ATen.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "ailab/predictor.hpp"
#include "ailab/support/number_text.hpp"
#include "checkpoint/safetensors.hpp"
#include "host/caching_allocator.hpp"
#include "host/clock.hpp"
#include "host/error_context.hpp"
#include "host/threads.hpp"
#include "input_list.hpp"
#include "log/result_stream.hpp"
#include "predictor_access.hpp"
#include "progress_line.hpp"
#include "work_dir/output_place.hpp"

namespace ailab {
namespace {

/// Lines to a file or to standard output, each as soon as it is there.
class LineOutput {
  public:
    LineOutput(const std::string& path, bool force)
        : path_(path.empty() ? "standard output" : path) {
        if (path.empty()) return;
        check_output(path, force);
        file_.reset(std::fopen(path.c_str(), "a"));
        if (!file_) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
    }
    /// What was there is kept until there is something to replace it.
    void begin() {
        struct stat status {};
        if (file_ && fstat(fileno(file_.get()), &status) == 0 && S_ISREG(status.st_mode) &&
            ftruncate(fileno(file_.get()), 0) != 0)
            throw Error(concat("cannot write ", path_, ": ", std::strerror(errno)));
    }
    void write(const std::string& line) {
        std::FILE* out = file_ ? file_.get() : result_stream();
        if (std::fputs(line.c_str(), out) < 0 || std::fputc('\n', out) < 0 || std::fflush(out) != 0)
            throw Error(concat("cannot write to ", path_, ": ", std::strerror(errno)));
    }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
};

/// An error also goes to stderr, where the lines go elsewhere.
class Results {
  public:
    Results(LineOutput& output, ProgressLine& progress) : output_(output), progress_(progress) {}

    void add(const Prediction& prediction) {
        if (isatty(fileno(result_stream()))) progress_.clear();
        output_.write(prediction.line);
        if (!prediction.shortened.empty() && !std::exchange(told_, true)) {
            progress_.clear();
            std::fprintf(stderr,
                         "ailab-run: outputs of %lld values: the lines have %s alone; --scores "
                         "writes all of them\n",
                         static_cast<long long>(prediction.output.numel()),
                         prediction.shortened.c_str());
        }
        if (!prediction.error.empty()) {
            progress_.clear();
            std::fprintf(stderr, "ailab-run: %s\n", prediction.error.c_str());
            ++bad_;
        }
        ++count_;
        progress_.advance();
    }
    int64_t count() const { return count_; }
    int64_t bad() const { return bad_; }

  private:
    LineOutput& output_;
    ProgressLine& progress_;
    bool told_ = false;  // that outputs are shortened
    int64_t count_ = 0;
    int64_t bad_ = 0;
};

bool is_tensor_file(const std::string& path) {
    return std::filesystem::path(path).extension() == ".safetensors";
}

/// Each tensor of the file is a batch, or one sample, of what the model takes.
void run_tensor(const Predictor& predictor, const std::string& name, const at::Tensor& tensor,
                Results& results) {
    const at::IntArrayRef shape = predictor.input_shape();
    const bool one = !shape.empty() && tensor.dim() == int64_t(shape.size());
    const at::Tensor batch = one ? tensor.unsqueeze(0) : tensor;
    // A sequence may have another length, where the model takes it.
    constexpr size_t dimensions_of_sequences = 2;
    const bool fits =
        shape.size() <= dimensions_of_sequences
            ? batch.dim() > 0 && (shape.empty() || batch.dim() == int64_t(shape.size()) + 1)
            : batch.dim() > 0 && batch.sizes().slice(1) == shape;
    if (!fits)
        throw Error(concat("it is ", c10::str(tensor.sizes()), ", and the model is fed ",
                           c10::str(shape), ", or many of these"));
    if (batch.size(0) == 0)
        throw Error(concat("it is ", c10::str(tensor.sizes()), ", which holds no sample"));
    const int64_t most = PredictorOptions().batch_size;
    for (int64_t begin = 0; begin < batch.size(0); begin += most) {
        const auto start = Clock::now();
        const int64_t count = std::min(most, batch.size(0) - begin);
        const at::Tensor outputs = predictor.predict(batch.narrow(0, begin, count));
        for (int64_t i = 0; i < count; ++i) {
            Prediction prediction;
            prediction.file = one ? name : concat(name, "[", begin + i, "]");
            prediction.output = outputs[i];
            prediction.seconds = seconds(Clock::now() - start);
            PredictorAccess::describe(predictor, prediction);
            results.add(prediction);
        }
    }
}

/// What cannot be used is a line with an error, as an image would be.
void run_tensors(const Predictor& predictor, const std::string& path, Results& results) {
    const auto attempt = [&](const std::string& name, const auto& work) {
        try {
            work();
        } catch (const std::exception& error) {
            Prediction bad;
            bad.file = name;
            bad.error = concat(name, ": ", short_message(error));
            PredictorAccess::describe(predictor, bad);
            results.add(bad);
        }
    };
    attempt(path, [&] {
        const auto tensors = read_safetensors(path);
        if (tensors.empty()) throw Error("it holds no tensor");
        for (const auto& entry : tensors) {
            const std::string name = concat(path, ":", entry.first);
            attempt(name, [&] { run_tensor(predictor, name, entry.second, results); });
        }
    });
}

/// What is to be read must not be emptied for what is written.
void check_inputs_stay(const InferRequest& request) {
    std::error_code none;  // where one of them is not there, they differ
    for (const std::string& input : request.inputs)
        if (std::filesystem::equivalent(input, request.output, none))
            throw Error(concat(input, " is an input, and cannot be the output too"));
}

Predictor open(const InferRequest& request) {
    PredictorOptions options;
    options.device = request.device;
    options.threads = request.threads;
    options.topk = request.topk;
    options.lines = true;
    options.all_values = request.scores;
    if (request.batch_size > 0) options.batch_size = request.batch_size;
    options.plugins = request.config.plugins;
    options.trust_plugins = request.trust_plugins;
    options.public_key = request.public_key;
    if (!request.artifact.empty()) return Predictor(request.artifact, options);
    return PredictorAccess::make(request.config, request.checkpoint, options);
}

}  // namespace

int64_t infer(const InferRequest& request) {
    const auto begin = Clock::now();
    install_caching_allocator();
    keep_threads_to_quota();
    InputList inputs(request.inputs);
    const std::optional<int64_t> total = inputs.count();
    check_inputs_stay(request);
    LineOutput output(request.output, request.force);
    const Predictor predictor = open(request);
    output.begin();
    const double ready = seconds(Clock::now() - begin);
    ProgressLine progress(total, request.progress);
    Results results(output, progress);
    // Image files are worked on together, until a file of tensors comes.
    std::optional<std::string> tensors;
    do {
        if (tensors) run_tensors(predictor, *std::exchange(tensors, {}), results);
        const auto next = [&]() -> std::optional<std::string> {
            std::optional<std::string> file = inputs.next();
            if (!file || !is_tensor_file(*file)) return file;
            tensors = std::move(file);
            return std::nullopt;
        };
        std::optional<std::string> first = next();
        if (!first) continue;
        predictor.predict([&] { return first ? std::exchange(first, {}) : next(); },
                          [&](const Prediction& prediction) { results.add(prediction); });
    } while (tensors);
    progress.clear();
    if (request.progress && isatty(STDERR_FILENO)) {
        const double took = seconds(Clock::now() - begin);
        std::fprintf(
            stderr, "%lld files in %s s (%s s until the model was ready)%s\n",
            static_cast<long long>(results.count()), fixed_text(took, 1).c_str(),
            fixed_text(ready, 2).c_str(),
            results.bad() ? concat(", ", results.bad(), " of them could not be used").c_str() : "");
    }
    return results.bad();
}

}  // namespace ailab
