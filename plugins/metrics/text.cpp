#include <algorithm>
#include <cmath>

#include "counting.hpp"

namespace ailab {
namespace {

/// exp of the mean negative log-likelihood of the tokens (Jelinek et al., 1977). output [N, T, V]
/// or [N, V] logits, classes last as torchmetrics has them; target [N, T] or [N] token numbers.
class Perplexity final : public CountingMetric {
  public:
    struct Options {
        std::optional<int64_t> ignore_index;
        void visit(OptionVisitor& v) {
            v.option("ignore_index", ignore_index, "targets of this number are left out");
        }
    };

    explicit Perplexity(const Options& options) : o_(options) {
        add_state("total", {}, at::kDouble);
        add_state("tokens", {}, at::kLong);
        add_state("invalid", {}, at::kLong);
    }

    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check(output, target);
        const int64_t words = output.size(-1);
        const Tensor logits = output.reshape({-1, words});
        const Tensor token = target.reshape({-1}).to(at::kLong);
        const Tensor counts =
            o_.ignore_index ? token.ne(*o_.ignore_index) : at::ones_like(token, at::kBool);
        const Tensor exists = token.ge(0).logical_and_(token.lt(words));
        const Tensor used = counts.logical_and(exists);
        const Tensor loss = -log_likelihood(logits, token.masked_fill(used.logical_not(), 0));
        add("total", stable_total(loss.masked_fill(used.logical_not(), 0)));
        add("tokens", used.sum());
        add("invalid", counts.logical_and(exists.logical_not()).sum());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        if (const auto invalid = states.at("invalid").item<int64_t>(); invalid != 0)
            throw Error(concat("Perplexity: ", invalid,
                               " targets are no numbers of tokens; name what is to be left out "
                               "with ignore_index"));
        return {{"", std::exp(states.at("total").item<double>() /
                              double(states.at("tokens").item<int64_t>()))}};  // 0 / 0 is NaN
    }

  private:
    static void check(const Tensor& output, const Tensor& target) {
        const bool fits = target.dim() >= 1 && output.dim() == target.dim() + 1 &&
                          output.sizes().slice(0, size_t(target.dim())) == target.sizes() &&
                          output.is_floating_point() && output.size(-1) > 0 &&
                          at::isIntegralType(target.scalar_type(), /*includeBool=*/false);
        if (!fits)
            throw Error(concat(
                "Perplexity: expected output [N, T, tokens] of logits and target [N, T] of token "
                "numbers; got ",
                describe(output, target)));
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

AILAB_REGISTER_METRIC(Perplexity, "Perplexity of a language model, at least 1")

}  // namespace ailab
