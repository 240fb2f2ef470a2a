#include "export_trace.hpp"

#include "ailab/log.hpp"
#include "trace/value_reads.hpp"

namespace ailab {

TracedModel trace_for_export(ServedModel& model, const at::Tensor& example) {
    const ValueReads reads;
    TracedModel traced = trace_model(model.model(), model.model_inputs(example));
    if (const std::string warning = reads.warning(); !warning.empty()) log_warning(warning);
    return traced;
}

}  // namespace ailab
