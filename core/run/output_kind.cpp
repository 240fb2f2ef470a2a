#include "output_kind.hpp"

#include "step/forward_pass.hpp"

namespace ailab {

std::optional<OutputKind> output_kind(const Loss* loss, const RunConfig& config,
                                      const Model& model) {
    if (!loss) return {};
    const std::vector<std::string> outputs = output_keys(model, config.model.binding());
    const auto& mapping = config.loss.binding().mapping;
    const auto renamed = mapping.find("output");
    const std::string fed = renamed == mapping.end() ? "output" : renamed->second;
    if (outputs.size() > 1 && outputs[0] != fed) return {};
    return loss->output_kind();
}

}  // namespace ailab
