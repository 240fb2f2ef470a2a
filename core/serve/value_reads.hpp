#pragma once
#include <ATen/record_function.h>

#include <memory>
#include <set>
#include <string>

namespace ailab {

/// Listens, while it lives, on this thread, for what a model that is being traced (trace_model())
/// asks of its input's values: item(), bool(), equal(). What C++ does with the answer, a branch or
/// a number, is a constant of the graph, and another input would get another. Reading memory
/// (data_ptr) is not heard. One at a time a thread.
class ValueReads {
  public:
    ValueReads();
    ~ValueReads();
    ValueReads(const ValueReads&) = delete;
    ValueReads& operator=(const ValueReads&) = delete;

    /// "aten::_local_scalar_dense", "aten::equal"; none is what one hopes for.
    const std::set<std::string>& found() const { return found_; }

    /// The warning for people, or "".
    std::string warning() const;

  private:
    static std::unique_ptr<at::ObserverContext> hear(const at::RecordFunction& call);

    std::set<std::string> found_;
    at::CallbackHandle handle_;
};

}  // namespace ailab
