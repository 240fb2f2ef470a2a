#include "ailab/ailab.hpp"

namespace ailab::exporters {
namespace {

class Artifact final : public Exporter {
  public:
    struct Options {
        bool with_plugins = false;
        void visit(OptionVisitor& v) {
            v.option("with_plugins", with_plugins, "the file holds the user's plugins too");
        }
    };

    explicit Artifact(const Options& options) : o(options) {}

    std::string write(TrainedModel& model, const Tensor&, const std::string& path) const override {
        model.write_artifact(path, o.with_plugins);
        return "";
    }
    TrainedModel::Forward read(const TrainedModel& model, const std::string& path) const override {
        return model.read_artifact(path);
    }
    bool keeps_autocast() const override { return true; }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_EXPORTER(Artifact, "artifact",
                        "one file for `ailab-run infer` and `ailab::Predictor`")

}  // namespace ailab::exporters
