// A sum of several losses with weights that are given, learned, or follow the losses' values.
#include <cmath>

#include "loss_parts.hpp"

namespace ailab {
namespace {

enum class Mode { equal, fixed, learnable, uncertainty, moving_avg, automatic };

Mode mode_of(const std::string& name) {
    if (name == "equal") return Mode::equal;
    if (name == "fixed") return Mode::fixed;
    if (name == "learnable") return Mode::learnable;
    if (name == "uncertainty") return Mode::uncertainty;
    return name == "moving_avg" ? Mode::moving_avg : Mode::automatic;
}

/// The term that keeps learned weights from falling to 0.
constexpr const char* regularizer = "regularizer";

class DynamicWeightedLoss final : public LossOfParts {
  public:
    struct Options {
        LossSpecs losses;
        std::string mode = "auto";
        std::map<std::string, double> weights;
        double alpha = 0.5;
        double eps = 1e-8;
        void visit(OptionVisitor& v) {
            v.required("losses", losses, losses_doc);
            v.option("mode", mode,
                     "equal: the sum; fixed: by weights; auto: by the inverse of each loss's last "
                     "value over the whole batch; moving_avg: by the inverse of its moving average "
                     "(both sum to 1); uncertainty: exp(-s) loss + s with a learned s (Kendall et "
                     "al. 2018); learnable: exp(w) loss + log(1 + exp(-w) / 2) with a learned w "
                     "(Liebel and Koerner 2018)",
                     one_of({"equal", "fixed", "learnable", "moving_avg", "uncertainty", "auto"}));
            v.option("weights", weights, "mode fixed: the factor of each loss; 1 if not given",
                     at_least(0));
            v.option("alpha", alpha, "mode moving_avg: what the average keeps at a step",
                     {.min = 0, .max = 1, .exclusive_max = true});
            v.option("eps", eps, "modes auto and moving_avg: added to the value", above(0));
            v.rule([this] { return check_part_names(losses); });
            v.rule([this]() -> std::string {
                if (losses.contains(regularizer))
                    return concat("losses: the name \"", regularizer, "\" is taken");
                if (mode != "fixed" && !weights.empty())
                    return concat("weights are for mode: fixed; this is mode: ", mode);
                return check_weights(weights, losses);
            });
        }
    };

    explicit DynamicWeightedLoss(const Options& options)
        : LossOfParts(options.losses), o(options), mode_(mode_of(options.mode)) {
        if (learns())
            log_weights_ =
                register_parameter("log_weights", torch::zeros({int64_t(parts().size())}));
        if (!balances()) return;
        values_.resize(parts().size());
        for (const LossPart& part : parts())
            if (part.term_names().size() != 1)
                throw Error(concat("loss \"", part.name(), "\" has ", part.term_names().size(),
                                   " terms (", join(part.term_names()), "), and mode: ", o.mode,
                                   " needs losses of one; name each of them here instead"));
    }

    std::vector<std::string> term_names() const override {
        std::vector<std::string> names = LossOfParts::term_names();
        if (learns()) names.emplace_back(regularizer);
        return names;
    }

    std::vector<LossTerm> terms(const Batch& inputs) override {
        std::vector<LossTerm> all;
        for (size_t i = 0; i < parts().size(); ++i)
            for (LossTerm& term : parts()[i].terms(inputs)) {
                weigh(term, i);
                all.push_back(std::move(term));
            }
        if (learns()) {
            const Tensor each = mode_ == Mode::uncertainty
                                    ? -log_weights_
                                    : at::log1p(0.5 * at::exp(-log_weights_));
            all.push_back({.name = regularizer, .sum = each.sum(), .is_mean = true});
        }
        return all;
    }

    std::vector<std::optional<Tensor>> target_weights(const Batch& inputs) override {
        std::vector<std::optional<Tensor>> weights = LossOfParts::target_weights(inputs);
        if (learns()) weights.emplace_back();
        return weights;
    }

    bool follows_values() const override { return balances() || LossOfParts::follows_values(); }

    void observe(const std::vector<double>& values) override {
        LossOfParts::observe(values);
        if (!balances()) return;
        for (size_t i = 0; i < values_.size(); ++i) {
            const double value = std::abs(values[i]);
            if (!std::isfinite(value)) continue;  // an overflow in half precision
            const bool averages = mode_ == Mode::moving_avg && values_[i];
            values_[i] = averages ? o.alpha * *values_[i] + (1 - o.alpha) * value : value;
        }
    }

    State save_state() const override {
        State state = LossOfParts::save_state();
        Node values = Node::map();
        for (size_t i = 0; i < values_.size(); ++i)
            if (values_[i]) values.set(parts()[i].name(), Node(*values_[i]));
        Node both = Node::map();
        both.set("parts", std::move(state.values));
        both.set("values", std::move(values));
        state.values = std::move(both);
        return state;
    }

    void load_state(const State& state) override {
        const Node* own = state.values.find("parts");
        const Node* values = state.values.find("values");
        if (!own || !values)
            throw Error("the checkpoint has the state of another loss than DynamicWeightedLoss");
        LossOfParts::load_state({.tensors = state.tensors, .values = *own});
        for (size_t i = 0; i < values_.size(); ++i) {
            const Node* value = values->find(parts()[i].name());
            values_[i] = value ? std::optional(value->as_float()) : std::nullopt;
        }
    }

  private:
    bool learns() const { return mode_ == Mode::learnable || mode_ == Mode::uncertainty; }
    /// The weights follow the values of the losses.
    bool balances() const { return mode_ == Mode::moving_avg || mode_ == Mode::automatic; }

    void weigh(LossTerm& term, size_t part) const {
        if (mode_ == Mode::fixed) {
            term.scale *= weight_of(parts()[part].name(), o.weights);
        } else if (learns()) {
            term.sum = term.sum * at::exp(log_weights_[int64_t(part)]);
        } else if (balances()) {
            // The part's own scale would cancel out: observe() sees the values without it.
            term.scale = balanced(part);
        }
    }

    /// 1 / value, in proportion: all sum to 1. Equal until every loss has been seen.
    double balanced(size_t part) const {
        double sum = 0;
        for (const std::optional<double>& value : values_) {
            if (!value) return 1.0 / double(values_.size());
            sum += 1 / (*value + o.eps);
        }
        return 1 / (*values_[part] + o.eps) / sum;
    }

    const Options o;
    const Mode mode_;
    /// [parts], the logarithms of the weights, learned: -s of Kendall et al.
    Tensor log_weights_;
    /// The magnitude of each part, once it has been seen.
    std::vector<std::optional<double>> values_;
};

}  // namespace

AILAB_REGISTER_LOSS(DynamicWeightedLoss,
                    "Sum of several losses with weights that are given, learned or follow them")

}  // namespace ailab
