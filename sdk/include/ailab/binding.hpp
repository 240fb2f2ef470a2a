#pragma once
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/module_spec.hpp"

namespace ailab {

/// The named inputs of a module, taken from the fields of `batch`: `mapping` renames, the
/// original's spellings (pred, preds, input; label, targets) are accepted as mapping keys of losses
/// and metrics, and a field `label` serves as `target` when there is none. ids and sizes come
/// along. Throws Error naming `what`, the fields that exist with their shapes, and the nearest
/// name.
AILAB_API Batch bind_inputs(const Batch& batch, const std::vector<std::string>& inputs,
                            const Binding& binding, const std::string& what);

/// bind_inputs() for batch after batch: names are resolved once, and the memory of one batch serves
/// the next. One thread.
class AILAB_API InputBinding {
  public:
    InputBinding(std::vector<std::string> inputs, const Binding& binding, std::string what);
    InputBinding(const InputBinding&) = delete;
    InputBinding& operator=(const InputBinding&) = delete;

    /// The field that each input is taken from, in their order. (`target` may be a field `label`.)
    std::vector<std::string> fields() const;

    /// What bind_inputs() gives, for as long as this lives; its tensors are let go with it. One at
    /// a time.
    class AILAB_API Bound {
      public:
        ~Bound();
        Bound(const Bound&) = delete;
        Bound& operator=(const Bound&) = delete;
        Batch& operator*() const { return batch_; }
        Batch* operator->() const { return &batch_; }

      private:
        friend class InputBinding;
        explicit Bound(Batch& batch) : batch_(batch) {}

        Batch& batch_;
    };
    Bound bind(const Batch& batch);

  private:
    struct Input {
        std::string field;
        bool or_label;  // where there is no such field
        BatchField* bound;
    };

    const std::vector<std::string> names_;
    const std::string what_;
    Batch bound_;
    std::vector<Input> inputs_;  // they point into bound_
};

/// The same check before the run, from names alone: adds a problem at `config.place` for each input
/// that is not among `fields`, and for each mapping key that is no input. No check if `fields` is
/// empty (unknown).
AILAB_API void check_binding(const std::vector<std::string>& fields,
                             const std::vector<std::string>& inputs, const ModuleConfig& config,
                             const std::string& what, Problems& problems);

}  // namespace ailab
