// The residual networks of the Python ailab, whose checkpoints load: names and layers are its.
#include "options/limits.hpp"
#include "resnet.hpp"

namespace ailab::vision {
namespace {

struct LabResNetOptions : ResNetOptions {
    std::optional<int64_t> in_chans;
    std::string stem_type = "7x7";
    bool deep_stem = false;
    bool avg_down = true;

    void visit(OptionVisitor& v) {
        ResNetOptions::visit(v);
        v.option("in_chans", in_chans, "in place of in_channels: its name in the Python ailab",
                 size_from(1));
        v.option("stem_type", stem_type, "size of the first convolution, of stride 2",
                 one_of({"7x7", "3x3"}));
        v.option("deep_stem", deep_stem,
                 "two more 3x3 convolutions in the stem; all three share their BatchNorm");
        v.option("avg_down", avg_down,
                 "shortcuts of stride 2 average over 2x2 pixels, in place of leaving three out");
        v.rule([this] {
            return deep_stem && stem_type != "3x3"
                       ? std::string(
                             "deep_stem continues a stem of 3x3 convolutions. Add stem_type: 3x3.")
                       : "";
        });
    }
    ResNetOptions with_channels() const {
        ResNetOptions options = *this;
        options.in_channels = in_chans.value_or(in_channels);
        return options;
    }
    ResNetLayout layout() const { return {stem_type == "7x7" ? 7 : 3, deep_stem, avg_down}; }
};

template <ResNetSpec spec>
class LabResNet final : public ResNet {
  public:
    using Options = LabResNetOptions;
    explicit LabResNet(const Options& options)
        : ResNet(spec, options.with_channels(), options.layout()) {}
};

}  // namespace

AILAB_REGISTER_AS(Model, LabResNet<basic(2, 2, 2, 2)>, "labresnet18",
                  "ResNet-18 with stems and shortcuts to choose")
AILAB_REGISTER_AS(Model, LabResNet<basic(3, 4, 6, 3)>, "labresnet34",
                  "ResNet-34 with stems and shortcuts to choose")
AILAB_REGISTER_AS(Model, LabResNet<bottleneck(3, 4, 6, 3)>, "labresnet50",
                  "ResNet-50 with stems and shortcuts to choose")
AILAB_REGISTER_AS(Model, LabResNet<bottleneck(3, 4, 23, 3)>, "labresnet101",
                  "ResNet-101 with stems and shortcuts to choose")
AILAB_REGISTER_AS(Model, LabResNet<bottleneck(3, 8, 36, 3)>, "labresnet152",
                  "ResNet-152 with stems and shortcuts to choose")

}  // namespace ailab::vision
