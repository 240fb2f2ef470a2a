#include "ailab/ailab.hpp"

namespace ailab {
namespace {

class RandomApply final : public Transform {
  public:
    struct Options {
        std::vector<ModuleSpec<Transform>> transforms;
        double p = 0.5;

        void visit(OptionVisitor& v) {
            v.required("transforms", transforms, "what is applied, one after another");
            v.option("p", p, "probability, of all together", between(0, 1));
            v.rule([this] {
                return transforms.empty() ? "transforms is empty, so it would change nothing" : "";
            });
        }
    };

    explicit RandomApply(const Options& options) : p_(options.p) {
        for (const ModuleSpec<Transform>& spec : options.transforms) {
            transforms_.push_back(spec.create());
            if (transforms_.back()->by_batch())
                throw ConfigError({{spec.config.place,
                                    concat(spec.type(),
                                           " is a transform of whole batches: list it last, not "
                                           "inside of RandomApply")}});
        }
    }

    void apply(Sample& sample, Philox& random) const override {
        if (!random.chance(p_)) return;
        for (const auto& transform : transforms_) transform->apply(sample, random);
    }

  private:
    const double p_;
    std::vector<std::shared_ptr<const Transform>> transforms_;
};

AILAB_REGISTER_TRANSFORM(RandomApply, "Other transforms, or none of them")

}  // namespace
}  // namespace ailab
