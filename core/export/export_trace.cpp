#include "export_trace.hpp"

#include "trace/value_reads.hpp"

namespace ailab {

TracedModel trace_for_export(ServedModel& model, const at::Tensor& example, std::string& doubt) {
    const ValueReads reads;
    TracedModel traced = trace_model(model.model(), model.model_inputs(example));
    doubt = reads.warning();
    return traced;
}

}  // namespace ailab
