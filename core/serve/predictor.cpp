#include "ailab/predictor.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <mutex>

#include "artifact.hpp"
#include "file_stream.hpp"
#include "frozen_graph.hpp"
#include "host/clock.hpp"
#include "image_pipeline.hpp"
#include "predictor_access.hpp"
#include "work_dir/checkpoint_choice.hpp"

namespace ailab {
namespace {

/// So many samples are run before the graph is frozen, which takes about as long as they do.
constexpr int64_t samples_before_freezing = 32;

constexpr double microseconds = 1e6;

}  // namespace

class Predictor::Impl {
  public:
    Impl(std::unique_ptr<ServedModel> model, const PredictorOptions& options)
        : options_(options), model_(std::move(model)), task_(task_of(spec())) {
        if (spec().image) pipeline_.emplace(spec());
        if (options_.batch_size < 1 || options_.topk < 1 || options_.threads < 0)
            throw Error("batch_size and topk must be at least 1, threads at least 0");
        may_freeze_ = model_->device().is_cpu() && !spec().autocast && spec().dtype == "float32";
    }

    const ServedSpec& spec() const { return model_->spec(); }

    at::Tensor predict(const at::Tensor& batch) {
        model_->check_input(batch);
        return run(batch, std::nullopt);
    }

    const Task& task() const { return *task_; }

    std::vector<ClassScore> top_classes(const at::Tensor& output) const {
        return task_->top_classes(output, options_.topk);
    }

    /// Fills in what follows from `output`: top, and the line where lines are wanted.
    void describe(Prediction& prediction) const {
        if (!options_.lines) {
            if (prediction.error.empty()) prediction.top = top_classes(prediction.output);
            return;
        }
        PredictionLine line;
        line.add("file", prediction.file);
        if (!prediction.error.empty()) {
            prediction.line = line.add("error", prediction.error).str();
            return;
        }
        Batch one{{task_->context().output, prediction.output.unsqueeze(0)}};
        one.size = one.global_size = 1;
        const Predictions said = task_->predict(one, {options_.topk, options_.all_values});
        if (!said.top.empty()) prediction.top = said.top[0];
        prediction.shortened = said.shortened;
        if (!said.samples.empty()) line.add(said.samples[0]);
        const double time = std::round(prediction.seconds * microseconds) / microseconds;
        prediction.line = line.add("time", time).str();
    }

    void predict_files(const std::function<std::optional<std::string>()>& next,
                       const std::function<void(const Prediction&)>& done) {
        if (!pipeline_)
            throw Error(concat("this model's data are no image files: ", spec().input,
                               " is given as tensors only"));
        FileStream stream(next, done);
        const int threads = options_.threads > 0 ? options_.threads : at::get_num_threads();
        stream.run(threads, options_.batch_size,
                   [&](std::vector<Prediction>& batch) { predict_batch(batch, threads); });
        at::set_num_threads(threads);  // of the calling thread, as before
    }

  private:
    /// A worker's: reads the files and runs those that could be read together.
    void predict_batch(std::vector<Prediction>& batch, int threads) {
        at::Tensor memory = pipeline_->memory_for(int64_t(batch.size()));
        std::vector<size_t> good;
        std::vector<Clock::time_point> begun(batch.size());
        for (size_t i = 0; i < batch.size(); ++i) {
            begun[i] = Clock::now();
            try {
                at::Tensor place = memory.select(0, int64_t(good.size()));
                pipeline_->read(batch[i].file, place);
                good.push_back(i);
            } catch (const BrokenSample& error) {
                batch[i].error = error.what();
                describe(batch[i]);
            }
        }
        if (good.empty()) return;
        const at::Tensor outputs = run(memory.narrow(0, 0, int64_t(good.size())), threads);
        for (size_t i = 0; i < good.size(); ++i) {
            Prediction& prediction = batch[good[i]];
            prediction.output = outputs.select(0, int64_t(i));
            prediction.seconds = seconds(Clock::now() - begun[good[i]]);
            describe(prediction);
        }
    }

    /// `workers`: so many threads call this. The frozen graph serves all of them at once, each with
    /// one core; the model serves one, with all cores. Without workers the caller's threads stay.
    at::Tensor run(const at::Tensor& batch, std::optional<int> workers) {
        const at::NoGradGuard no_grad;
        if (const auto graph = model_->has_usual_shape(batch) ? frozen_for(batch) : nullptr) {
            if (workers) at::set_num_threads(1);
            // As the model itself would take it.
            return graph->forward(batch.is_floating_point() ? batch.to(at::kFloat) : batch);
        }
        const std::lock_guard lock(mutex_);
        if (workers) at::set_num_threads(*workers);
        return model_->forward(batch).to(at::kCPU);
    }

    /// The frozen graph, once enough was run for that to pay. Made by one thread while others go on
    /// with the model itself.
    std::shared_ptr<const FrozenGraph> frozen_for(const at::Tensor& batch) {
        {
            const std::lock_guard lock(state_mutex_);
            run_ += batch.size(0);
            if (frozen_ || !may_freeze_ || run_ < samples_before_freezing || batch.size(0) < 2)
                return frozen_;
            may_freeze_ = false;
        }
        std::shared_ptr<const FrozenGraph> made;
        try {
            const std::lock_guard lock(mutex_);
            made = std::make_shared<const FrozenGraph>(*model_, batch);
        } catch (const std::exception&) {
            // No graph stands for this model (it branches, or keeps something): it is run as it is.
        }
        const std::lock_guard lock(state_mutex_);
        frozen_ = made;
        return made;
    }

    const PredictorOptions options_;
    const std::unique_ptr<ServedModel> model_;
    const std::shared_ptr<const Task> task_;
    std::optional<ImagePipeline> pipeline_;
    std::mutex mutex_;  // of the model, which is one thread's at a time

    std::mutex state_mutex_;
    bool may_freeze_ = false;
    int64_t run_ = 0;
    std::shared_ptr<const FrozenGraph> frozen_;
};

Predictor::Predictor(const std::string& artifact, const PredictorOptions& options)
    : impl_(std::make_unique<Impl>(open_artifact(artifact, options), options)) {}

Predictor::Predictor(const std::string& config, const std::string& checkpoint,
                     const PredictorOptions& options)
    : Predictor(PredictorAccess::make({.path = config, .plugins = options.plugins}, checkpoint,
                                      options)) {}

Predictor::Predictor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Predictor PredictorAccess::make(const ConfigInput& input, const std::string& checkpoint,
                                const PredictorOptions& options) {
    if (!options.public_key.empty())
        throw ConfigError("a public key is for artifacts: a configuration is not signed");
    const RunConfig run = load_config(input);
    const std::string path = choose_checkpoint(checkpoint, run.work_dir);
    const ValidationData data(run);
    const std::shared_ptr<Model> model = run.model.create();
    check_one_input(run, *model);
    auto served =
        std::make_unique<ServedModel>(spec_of(run, *model, data, path), options.device, model);
    load_trained_weights(*model, path);
    return Predictor(std::make_unique<Predictor::Impl>(std::move(served), options));
}

void PredictorAccess::describe(const Predictor& predictor, Prediction& prediction) {
    predictor.impl_->describe(prediction);
}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

bool Predictor::classifies() const {
    return impl_->task().classifies();
}
const std::vector<std::string>& Predictor::class_names() const {
    return impl_->spec().classes;
}
const std::vector<int64_t>& Predictor::input_shape() const {
    return impl_->spec().input_shape;
}

at::Tensor Predictor::predict(const at::Tensor& batch) const {
    return impl_->predict(batch);
}

Prediction Predictor::predict(const std::string& file) const {
    Prediction prediction;
    bool given = false;
    const auto once = [&]() -> std::optional<std::string> {
        if (std::exchange(given, true)) return std::nullopt;
        return file;
    };
    predict(once, [&](const Prediction& result) { prediction = result; });
    return prediction;
}

void Predictor::predict(const std::function<std::optional<std::string>()>& next,
                        const std::function<void(const Prediction&)>& done) const {
    impl_->predict_files(next, done);
}

std::vector<ClassScore> Predictor::top_classes(const at::Tensor& output) const {
    return impl_->top_classes(output);
}

}  // namespace ailab
