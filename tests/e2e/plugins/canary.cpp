// Whoever runs any code of this plugin finds a line in the file that $AILAB_CANARY names.
#include <ailab/ailab.hpp>
#include <cstdlib>
#include <fstream>

AILAB_PLUGIN("test_canary", "1.0", "Tells that it was loaded")

namespace {

const bool loaded = [] {
    if (const char* file = std::getenv("AILAB_CANARY"))
        std::ofstream(file, std::ios::app) << "loaded\n";
    return true;
}();

class Canary : public ailab::Model {
  public:
    Canary() { fc = register_module("fc", torch::nn::Linear(784, 10)); }
    ailab::Tensor forward(const ailab::Tensor& input) override { return fc(input.flatten(1)); }

  private:
    torch::nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(Canary, "One linear layer")

}  // namespace
