#include <algorithm>
#include <cmath>

#include "counting.hpp"

namespace ailab {
namespace {

/// exp of the mean negative log-likelihood of the tokens (Jelinek et al., 1977). output [N, V, …]
/// logits, as CrossEntropyLoss takes them (torchmetrics has the tokens last: classes_last); target
/// [N, …] token numbers.
class Perplexity final : public CountingMetric {
  public:
    struct Options {
        std::optional<int64_t> ignore_index;
        bool classes_last = false;
        void visit(OptionVisitor& v) {
            v.option("ignore_index", ignore_index,
                     "targets of this number are left out; by default those that the loss "
                     "ignores");
            v.option("classes_last", classes_last,
                     "the output is [N, …, tokens], not [N, tokens, …]");
        }
    };

    explicit Perplexity(const Options& options) : o_(options) {
        add_state("total", {}, at::kDouble);
        add_state("tokens", {}, at::kLong);
        add_state("invalid", {}, at::kLong);
    }

    std::optional<bool> greater_is_better() const override { return false; }
    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check(output, target);
        const Tensor words_last = o_.classes_last ? output : output.movedim(1, -1);
        const int64_t words = words_last.size(-1);
        const Tensor logits = words_last.reshape({-1, words});
        const Tensor token = target.reshape({-1}).to(at::kLong);
        const Tensor counts =
            o_.ignore_index ? token.ne(*o_.ignore_index) : at::ones_like(token, at::kBool);
        const Tensor exists = token.ge(0).logical_and_(token.lt(words));
        const Tensor used = counts.logical_and(exists);
        const Tensor loss = -log_likelihood(logits, token.masked_fill(used.logical_not(), 0));
        add("total", stable_total(loss.masked_fill(used.logical_not(), 0)));
        add("tokens", used.sum());
        add("invalid", counts.logical_and(exists.logical_not()).sum());
        // Elsewhere looking would wait for the device: the end of the evaluation tells.
        if (target.is_cpu()) check_targets(states());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        check_targets(states);
        return {{"", std::exp(states.at("total").item<double>() /
                              double(states.at("tokens").item<int64_t>()))}};  // 0 / 0 is NaN
    }

  private:
    void check(const Tensor& output, const Tensor& target) const {
        const auto fits = [&](bool last) {
            std::vector<int64_t> sizes = output.sizes().vec();
            if (sizes.size() < 2) return false;
            const auto words = last ? sizes.end() - 1 : sizes.begin() + 1;
            const bool any = *words > 0;
            sizes.erase(words);
            return any && target.sizes() == at::IntArrayRef(sizes);
        };
        if (fits(o_.classes_last) && output.is_floating_point() &&
            at::isIntegralType(target.scalar_type(), /*includeBool=*/false))
            return;
        const char* other = o_.classes_last ? ". If the tokens come second, leave classes_last out"
                                            : ". If the tokens come last, set classes_last: true";
        throw Error(concat("Perplexity: expected output ",
                           o_.classes_last ? "[N, …, tokens]" : "[N, tokens, …]",
                           " of logits and target [N, …] of token numbers; got ",
                           describe(output, target), fits(!o_.classes_last) ? other : ""));
    }

    static void check_targets(const std::map<std::string, Tensor>& states) {
        if (const auto invalid = states.at("invalid").item<int64_t>(); invalid != 0)
            throw Error(concat("Perplexity: ", invalid,
                               " targets are no numbers of tokens; name what is to be left out "
                               "with ignore_index"));
    }

    /// log softmax(logits)[token], float64 [K], a block of rows at a time: the vocabulary is large.
    static Tensor log_likelihood(const Tensor& logits, const Tensor& token) {
        constexpr int64_t block_elements = 1 << 22;
        const int64_t rows = std::max<int64_t>(1, block_elements / logits.size(1));
        std::vector<Tensor> parts;
        for (int64_t begin = 0; begin < logits.size(0); begin += rows) {
            const int64_t count = std::min(rows, logits.size(0) - begin);
            const Tensor block = logits.narrow(0, begin, count).to(at::kDouble).log_softmax(1);
            parts.push_back(block.gather(1, token.narrow(0, begin, count).unsqueeze(1)).squeeze(1));
        }
        return at::cat(parts);
    }

    const Options o_;
};

}  // namespace

AILAB_REGISTER_METRIC(Perplexity,
                      "Perplexity of a language model, at least 1; targets are token numbers")

}  // namespace ailab
