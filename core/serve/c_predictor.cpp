#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "ailab/error.hpp"
#include "ailab/predictor.h"
#include "ailab/predictor.hpp"

struct ailab_predictor {
    ailab::Predictor predictor;
};

namespace {

thread_local std::string last_error;
thread_local std::string last_line;

/// No exception leaves: `failed` is returned in its place.
template <class Result>
Result guarded(Result failed, const std::function<Result()>& work) noexcept {
    try {
        return work();
    } catch (const std::exception& error) {
        last_error = error.what();
    } catch (...) {
        last_error = "an exception of unknown type";
    }
    return failed;
}

ailab_predictor* open_with(const char* artifact,
                           const std::function<void(ailab::PredictorOptions&)>& choose) {
    return guarded<ailab_predictor*>(nullptr, [&] {
        ailab::PredictorOptions options;
        options.lines = options.all_values = true;
        choose(options);
        return new ailab_predictor{ailab::Predictor(std::string(artifact), options)};
    });
}

/// [samples, …] with the sample's shape where it is known.
at::Tensor as_batch(const ailab::Predictor& predictor, const float* input, int64_t samples,
                    int64_t sample_size) {
    std::vector<int64_t> shape = predictor.input_shape();
    if (shape.empty()) shape = {sample_size};
    if (c10::multiply_integers(shape) != sample_size)
        throw ailab::Error(ailab::concat("a sample has ", c10::multiply_integers(shape),
                                         " numbers, got ", sample_size));
    shape.insert(shape.begin(), samples);
    return at::tensor(at::ArrayRef<float>(input, size_t(samples * sample_size))).view(shape);
}

}  // namespace

ailab_predictor* ailab_open(const char* artifact) {
    return open_with(artifact, [](ailab::PredictorOptions&) {});
}

ailab_predictor* ailab_open_trusted(const char* artifact) {
    return open_with(artifact,
                     [](ailab::PredictorOptions& options) { options.trust_plugins = true; });
}

ailab_predictor* ailab_open_signed(const char* artifact, const char* public_key) {
    return open_with(artifact, [&](ailab::PredictorOptions& options) {
        options.public_key = public_key;
        if (options.public_key.empty()) throw ailab::Error("the public key's file has no name");
    });
}

int64_t ailab_predict(ailab_predictor* model, const float* input, int64_t samples,
                      int64_t sample_size, float* output, int64_t room) {
    return guarded<int64_t>(-1, [&] {
        const at::Tensor result =
            model->predictor.predict(as_batch(model->predictor, input, samples, sample_size))
                .to(at::kFloat)
                .contiguous();
        if (result.numel() > room)
            throw ailab::Error(ailab::concat("the outputs are ", result.numel(),
                                             " numbers, and there is room for ", room));
        std::copy_n(result.const_data_ptr<float>(), result.numel(), output);
        return result.numel();
    });
}

const char* ailab_predict_file(ailab_predictor* model, const char* file) {
    return guarded<const char*>(nullptr, [&] {
        last_line = model->predictor.predict(std::string(file)).line;
        return last_line.c_str();
    });
}

const char* ailab_last_error(void) {
    return last_error.c_str();
}

void ailab_close(ailab_predictor* model) {
    delete model;
}
