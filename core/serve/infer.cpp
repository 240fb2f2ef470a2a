#include "infer.hpp"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "ailab/number_text.hpp"
#include "ailab/predictor.hpp"
#include "checkpoint/safetensors.hpp"
#include "host/caching_allocator.hpp"
#include "host/clock.hpp"
#include "host/threads.hpp"
#include "input_list.hpp"
#include "log/result_stream.hpp"
#include "prediction_line.hpp"
#include "predictor_access.hpp"
#include "progress_line.hpp"
#include "run/error_context.hpp"
#include "run/output_place.hpp"

namespace ailab {
namespace {

/// Lines to a file or to standard output, each as soon as it is there.
class LineOutput {
  public:
    LineOutput(const std::string& path, bool force)
        : path_(path.empty() ? "standard output" : path) {
        if (path.empty()) return;
        check_output(path, force);
        file_.reset(std::fopen(path.c_str(), "w"));
        if (!file_) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
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
        output_.write(prediction_line(prediction));
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
    if (batch.dim() == 0 || (!shape.empty() && batch.sizes().slice(1) != shape))
        throw Error(concat("it is ", c10::str(tensor.sizes()), ", and the model is fed ",
                           c10::str(shape), ", or many of these"));
    const int64_t most = PredictorOptions().batch_size;
    for (int64_t begin = 0; begin < batch.size(0); begin += most) {
        const auto start = Clock::now();
        const int64_t count = std::min(most, batch.size(0) - begin);
        const at::Tensor outputs = predictor.predict(batch.narrow(0, begin, count));
        for (int64_t i = 0; i < count; ++i) {
            Prediction prediction;
            prediction.file = one ? name : concat(name, "[", begin + i, "]");
            prediction.output = outputs[i];
            prediction.top = predictor.top_classes(prediction.output);
            prediction.seconds = seconds(Clock::now() - start);
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
            results.add(bad);
        }
    };
    attempt(path, [&] {
        for (const auto& entry : read_safetensors(path)) {
            const std::string name = concat(path, ":", entry.first);
            attempt(name, [&] { run_tensor(predictor, name, entry.second, results); });
        }
    });
}

Predictor open(const InferRequest& request) {
    PredictorOptions options;
    options.device = request.device;
    options.threads = request.threads;
    options.topk = request.topk;
    if (request.batch_size > 0) options.batch_size = request.batch_size;
    options.plugins = request.config.plugins;
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
    LineOutput output(request.output, request.force);
    const Predictor predictor = open(request);
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
