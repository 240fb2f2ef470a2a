#include "metric_sums.hpp"

#include "options/named_message.hpp"

namespace ailab {
namespace {

Tensor row_tensor(const MetricRows& rows) {
    std::vector<int64_t> shape = {0};
    shape.insert(shape.end(), rows.row_shape.begin(), rows.row_shape.end());
    std::vector<Tensor> parts = {at::empty(shape, rows.dtype)};
    for (const Tensor& part : rows.parts) parts.push_back(part.cpu());
    return at::cat(parts);
}

}  // namespace

MetricSums::MetricSums(std::string label, std::shared_ptr<Metric> metric, bool by_batch)
    : label_(std::move(label)), metric_(std::move(metric)), by_batch_(by_batch) {}

bool MetricSums::keeps_apart(const Tensor& state) const {
    // A large state (a covariance) would fill the memory, one for each batch. It is summed on each
    // rank first, so its last bits depend on the number of ranks.
    constexpr int64_t largest = 4096;
    return by_batch_ && state.scalar_type() == at::kDouble && state.numel() <= largest;
}

void MetricSums::update(const Batch& inputs) {
    const at::NoGradGuard no_grad;
    try {
        metric_->update_batch(inputs);
    } catch (const c10::Error& error) {
        throw Error(named_message(label_, error.what_without_backtrace()));
    } catch (const std::exception& error) {
        throw Error(named_message(label_, error.what()));
    }
    for (auto& [name, state] : metric_->states()) {
        if (!keeps_apart(state)) continue;
        std::vector<Tensor>& parts = apart_[name];
        parts.resize(updates_);
        parts.push_back(state);
        state = at::zeros_like(state);
    }
    ++updates_;
}

void MetricSums::reset() {
    metric_->reset();
    apart_.clear();
    updates_ = 0;
}

MetricStates MetricSums::parts() const {
    MetricStates result;
    for (const auto& [name, state] : metric_->states()) {
        const auto apart = apart_.find(name);
        if (apart == apart_.end()) {
            result[name] = state.unsqueeze(0).cpu();
            continue;
        }
        std::vector<Tensor> parts = apart->second;
        for (Tensor& part : parts)
            if (!part.defined()) part = at::zeros_like(state);
        result[name] = at::stack(parts).cpu();
    }
    return result;
}

MetricStates MetricSums::rows() const {
    MetricStates result;
    for (const auto& [name, rows] : metric_->rows()) result[name] = row_tensor(rows);
    return result;
}

std::map<std::string, double> MetricSums::compute(const MetricStates& sums) const {
    try {
        return metric_->compute(sums);
    } catch (const c10::Error& error) {
        throw Error(concat(label_, ": ", error.what_without_backtrace()));
    } catch (const std::exception& error) {
        throw Error(named_message(label_, error.what()));
    }
}

State MetricSums::save() const {
    State saved;
    if (updates_ == 0) return saved;
    for (const auto& [name, state] : metric_->states())
        saved.tensors["sum/" + name] = state.to(at::kCPU, false, /*copy=*/true);
    for (const auto& [name, rows] : this->rows()) saved.tensors["rows/" + name] = rows;
    return saved;
}

void MetricSums::load(const State& saved) {
    for (const auto& [key, tensor] : saved.tensors) {
        const bool is_sum = key.starts_with("sum/");
        const std::string name = key.substr(key.find('/') + 1);
        if (is_sum) {
            // A state whose shape the data decide may not be there yet.
            const auto [state, is_new] =
                metric_->states().try_emplace(name, at::zeros_like(tensor));
            if (state->second.sizes() != tensor.sizes() ||
                state->second.scalar_type() != tensor.scalar_type())
                throw Error(concat(label_, ": the saved sum \"", name, "\" has the shape ",
                                   c10::str(tensor.sizes()), ", this run's ",
                                   c10::str(state->second.sizes())));
            state->second.add_(tensor.to(state->second.device()));
        } else {
            MetricRows& rows = metric_->rows()[name];
            if (rows.parts.empty() && rows.row_shape.empty())
                rows = {tensor.sizes().slice(1).vec(), tensor.scalar_type(), {}};
            if (tensor.sizes().slice(1) != at::IntArrayRef(rows.row_shape))
                throw Error(concat(label_, ": the saved rows \"", name, "\" have the shape ",
                                   c10::str(tensor.sizes())));
            if (tensor.size(0) > 0) rows.parts.push_back(tensor.clone());
        }
        updates_ = 1;
    }
}

MetricStates states_of(Metric& metric) {
    MetricStates result;
    for (const auto& [name, state] : metric.states()) result[name] = state.cpu();
    for (const auto& [name, rows] : metric.rows()) result[name] = row_tensor(rows);
    return result;
}

}  // namespace ailab
