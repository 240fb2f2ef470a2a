// Weights that lie in a file beside others: what a wrapper, a loss or a metric has saved with them.
#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>

#include "ailab/error.hpp"
#include "ailab/model.hpp"
#include "checkpoint/safetensors.hpp"
#include "weights/load_weights.hpp"
#include "work_dir/checkpoint_choice.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// fc.weight [2, 2] and fc.bias [2], or below "net" or another name.
struct SmallNet : torch::nn::Module {
    explicit SmallNet(const std::string& below = "") {
        torch::nn::Linear fc(2, 2);
        if (below.empty()) {
            register_module("fc", fc);
            return;
        }
        auto inner = std::make_shared<torch::nn::Module>();
        inner->register_module("fc", fc);
        register_module(below, inner);
    }
};

NamedTensors weights_below(const std::string& prefix) {
    return {{prefix + "fc.weight", torch::full({2, 2}, 3.0)},
            {prefix + "fc.bias", torch::full({2}, 4.0)}};
}

class PartialWeights : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_partial_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string write(NamedTensors tensors, const std::vector<std::string>& others) const {
        for (const std::string& name : others) tensors.emplace_back(name, torch::zeros({1}));
        const std::string path = (folder_ / "a.safetensors").string();
        fs::remove(path);
        write_safetensors(path, tensors);
        return path;
    }
    std::string shorten(std::string text) const {
        const std::string folder = folder_.string();
        for (size_t at; (at = text.find(folder)) != std::string::npos;)
            text.replace(at, folder.size(), "DIR");
        return text;
    }
    static void expect_loaded(const torch::nn::Module& net) {
        for (const auto& item : net.named_parameters())
            EXPECT_TRUE(item.value().eq(item.value().dim() == 2 ? 3 : 4).all().item<bool>())
                << item.key();
    }

    fs::path folder_;
};

TEST_F(PartialWeights, AreTakenBelowAWrappersPrefix) {
    const struct {
        const char* prefix;
        std::vector<std::string> others;
        const char* model;
        const char* said;
    } table[] = {
        {"module.", {"n_averaged"}, "", "; these are below \"module.\", beside n_averaged"},
        {"module.module.",
         {"module.n_averaged"},  // DistributedDataParallel around AveragedModel
         "",
         "; these are below \"module.\", beside n_averaged"},
        {"model.",
         {"criterion.weight", "val_acc.correct", "val_acc.total"},
         "",
         "; these are below \"model.\", beside criterion.weight, val_acc.correct, val_acc.total"},
        {"model._orig_mod.",
         {"loss.w"},
         "",
         "; these are below \"model._orig_mod.\", beside loss.w"},
        {"module.net.", {"n_averaged"}, "net", "; these are below \"module.\", beside n_averaged"},
        {"model.",
         {"a", "b", "c", "d", "e", "f"},
         "",
         "; these are below \"model.\", beside a, b, c, d, e, …"},
        {"module.", {}, "", ""},  // the usual case: all have it
    };
    for (const auto& c : table) {
        SCOPED_TRACE(c.prefix);
        const std::string file = write(weights_below(c.prefix), c.others);
        SmallNet net(c.model);
        const LoadedWeights loaded = load_weights(net, file);
        expect_loaded(net);
        EXPECT_EQ(loaded.unmatched, std::vector<std::string>());
        EXPECT_EQ(
            shorten(loaded.summary),
            concat("weights loaded from DIR/a.safetensors: 2 of the model's 2 tensors", c.said));
        // `test`, `infer` and `export` take no file that lacks a tensor or has one too many.
        SmallNet tested(c.model);
        EXPECT_EQ(load_trained_weights(tested, file), loaded.summary);
        expect_loaded(tested);
        SmallNet pretrained(c.model);
        EXPECT_TRUE(load_weights(pretrained, Pretrained{file, "", {}}).unmatched.empty());
        expect_loaded(pretrained);
    }
}

TEST_F(PartialWeights, AModelThatHasTheOthersTooTakesThemAll) {
    SmallNet net("model");
    net.register_buffer("n_averaged", torch::ones({1}));
    const LoadedWeights loaded = load_weights(net, write(weights_below("model."), {"n_averaged"}));
    EXPECT_TRUE(loaded.unmatched.empty());
    EXPECT_EQ(net.named_buffers()["n_averaged"].item<float>(), 0);
}

TEST_F(PartialWeights, AUsersPrefixStandsBelowAWrappers) {
    const std::string file = write(weights_below("module.backbone."), {"n_averaged"});
    for (const char* prefix : {"backbone.", "module.backbone."}) {
        SmallNet net;
        EXPECT_TRUE(load_weights(net, Pretrained{file, prefix, {}}).unmatched.empty()) << prefix;
        expect_loaded(net);
    }
}

TEST_F(PartialWeights, AnyOtherPrefixIsNamedForTheUserToGive) {
    const std::string file = write(weights_below("encoder."), {"head.weight"});
    const std::string advice =
        "2 of the model's 2 tensors are there below \"encoder.\"; to take these give "
        "model.pretrained: {file: DIR/a.safetensors, prefix: encoder.}";
    SmallNet net;
    try {
        load_weights(net, file);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(shorten(error.what()),
                  "load_from: nothing in DIR/a.safetensors fits the model: the file has "
                  "encoder.fc.bias, encoder.fc.weight, head.weight; the model has fc.bias, "
                  "fc.weight; " +
                      advice);
    }
    // The same where a little fits by chance.
    NamedTensors more = weights_below("encoder.");
    more.emplace_back("fc.bias", torch::zeros({2}));
    const LoadedWeights loaded = load_weights(net, write(more, {}));
    EXPECT_NE(shorten(describe_unmatched(loaded)).find("; " + advice), std::string::npos)
        << describe_unmatched(loaded);
}

}  // namespace
}  // namespace ailab
