#include "ailab/predictor.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>

#include "artifact.hpp"
#include "file_stream.hpp"
#include "frozen_graph.hpp"
#include "host/clock.hpp"
#include "image_pipeline.hpp"
#include "predictor_access.hpp"
#include "run/checkpoint_choice.hpp"

namespace ailab {
namespace {

/// So many samples are run before the graph is frozen, which takes about as long as they do.
constexpr int64_t samples_before_freezing = 32;

/// The probabilities of the classes or labels, float64 [K], by a sample's output; not defined where
/// it tells none.
at::Tensor probabilities(const at::Tensor& output, const ServedSpec& spec) {
    if (!spec.output || *spec.output == OutputKind::values || output.dim() > 1) return {};
    const at::Tensor numbers = output.to(at::kDouble).reshape({-1});
    if (*spec.output == OutputKind::class_scores)
        // The softmax of one number is 1, whatever it is.
        return numbers.size(0) < 2 ? at::Tensor() : numbers.softmax(0);
    const at::Tensor yes = *spec.output == OutputKind::label_scores ? numbers.sigmoid() : numbers;
    // One yes or no decides between two classes, unless it is a label with a name of its own.
    const bool two_classes = yes.size(0) == 1 && spec.classes.size() != 1;
    return two_classes ? at::cat({1 - yes, yes}) : yes;
}

}  // namespace

class Predictor::Impl {
  public:
    Impl(std::unique_ptr<ServedModel> model, const PredictorOptions& options)
        : options_(options), model_(std::move(model)) {
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

    std::vector<ClassScore> top_classes(const at::Tensor& output) const {
        const at::Tensor shares = probabilities(output, spec());
        if (!shares.defined()) return {};
        const auto [values, indices] =
            shares.topk(std::min<int64_t>(options_.topk, shares.size(0)));
        std::vector<ClassScore> top;
        for (int64_t i = 0; i < values.size(0); ++i) {
            const auto index = indices[i].item<int64_t>();
            const bool named = index < int64_t(spec().classes.size());
            top.push_back(
                {index, named ? spec().classes[size_t(index)] : "", values[i].item<double>()});
        }
        return top;
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
            }
        }
        if (good.empty()) return;
        const at::Tensor outputs = run(memory.narrow(0, 0, int64_t(good.size())), threads);
        for (size_t i = 0; i < good.size(); ++i) {
            Prediction& prediction = batch[good[i]];
            prediction.output = outputs.select(0, int64_t(i));
            prediction.top = top_classes(prediction.output);
            prediction.seconds = seconds(Clock::now() - begun[good[i]]);
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

const ServedSpec& PredictorAccess::spec(const Predictor& predictor) {
    return predictor.impl_->spec();
}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

bool Predictor::classifies() const {
    const std::optional<OutputKind>& output = impl_->spec().output;
    return output && *output != OutputKind::values;
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
