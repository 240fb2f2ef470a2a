#pragma once
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace ailab {

/// Weights that stand for those of a model while it is evaluated. Main thread.
class EvaluationWeights {
  public:
    /// Parameters, and for each what is copied into it. What is in place already stays.
    void put_in(const std::vector<std::pair<at::Tensor, at::Tensor>>& weights);
    /// The parameters' own values come back, if others are in their place.
    void take_out();

    /// While it lives the parameters have their own values.
    class Aside {
      public:
        explicit Aside(EvaluationWeights& weights) : weights_(weights), others_(weights.present()) {
            weights_.take_out();
        }
        ~Aside() { weights_.put_in(others_); }
        Aside(const Aside&) = delete;
        Aside& operator=(const Aside&) = delete;

      private:
        EvaluationWeights& weights_;
        const std::vector<std::pair<at::Tensor, at::Tensor>> others_;
    };

  private:
    std::vector<std::pair<at::Tensor, at::Tensor>> present() const;

    std::vector<at::Tensor> parameters_;  // in whose place others are
    std::vector<at::Tensor> others_;
    std::vector<at::Tensor> own_;  // with the strides of the parameters
};

}  // namespace ailab
