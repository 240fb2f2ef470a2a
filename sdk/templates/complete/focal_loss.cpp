// A loss: cross entropy that looks away from samples which are right already (Lin et al. 2017).
#include <ailab/ailab.hpp>

using ailab::Tensor;

class MyFocalLoss : public ailab::Loss {
  public:
    struct Options {
        double gamma = 2;
        void visit(ailab::OptionVisitor& v) {
            v.option("gamma", gamma, "0 is cross entropy; higher looks at the hard samples",
                     ailab::at_least(0));
        }
    };

    explicit MyFocalLoss(const Options& options) : gamma_(options.gamma) {}

    // The mean over the samples; over several ranks it is what one big batch would have given.
    Tensor forward(const Tensor& output, const Tensor& target) override {
        const Tensor all = torch::log_softmax(output, 1);
        const Tensor log_p = all.gather(1, target.unsqueeze(1)).squeeze(1);
        return -((1 - log_p.exp()).pow(gamma_) * log_p).mean();
    }

  private:
    double gamma_;
};

AILAB_REGISTER_LOSS(MyFocalLoss, "Cross entropy weighted by (1 - p)^gamma")
