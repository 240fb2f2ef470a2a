// A sum of several losses with given weights.
#include "loss_parts.hpp"

namespace ailab {
namespace {

class WeightedLoss final : public LossOfParts {
  public:
    struct Options {
        LossSpecs losses;
        std::map<std::string, double> weights;
        void visit(OptionVisitor& v) {
            v.required("losses", losses, losses_doc);
            v.option("weights", weights, "the factor of each loss; 1 if not given", at_least(0));
            v.rule([this] { return check_part_names(losses); });
            v.rule([this] { return check_weights(weights, losses); });
        }
    };

    explicit WeightedLoss(const Options& options)
        : LossOfParts(options.losses), weights_(options.weights) {}

    std::vector<LossTerm> terms(const Batch& inputs) override {
        std::vector<LossTerm> all;
        for (const LossPart& part : parts())
            for (LossTerm& term : part.terms(inputs)) {
                term.scale *= weight_of(part.name(), weights_);
                all.push_back(std::move(term));
            }
        return all;
    }

  private:
    const std::map<std::string, double> weights_;
};

}  // namespace

AILAB_REGISTER_LOSS(WeightedLoss, "Sum of several losses, each with a factor")

}  // namespace ailab
