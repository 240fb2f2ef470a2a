// What load_from and pretrained take, what they load, and what they say of the rest.
#include "weights/load_weights.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "ailab/model.hpp"
#include "checkpoint/safetensors.hpp"
#include "core/pth/pth_builder.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// Parameters w [2, 2] and b [2] and a buffer, below "conv" and "bn", or as told.
struct Net : torch::nn::Module {
    explicit Net(const std::string& below = "") {
        auto inner = std::make_shared<torch::nn::Module>();
        inner->register_parameter("w", torch::zeros({2, 2}));
        inner->register_parameter("b", torch::zeros({2}));
        inner->register_buffer("num_batches_tracked", torch::zeros({}, at::kLong));
        if (below.empty()) {
            register_module("conv", inner);
            return;
        }
        auto outer = std::make_shared<torch::nn::Module>();
        outer->register_module("conv", inner);
        register_module(below, outer);
    }
};

class LoadWeights : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_load_weights_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    std::string write(const std::string& name, const NamedTensors& tensors) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        write_safetensors(path(name), tensors);
        return path(name);
    }
    std::string shorten(std::string text) const {
        const std::string folder = folder_.string();
        for (size_t at; (at = text.find(folder)) != std::string::npos;)
            text.replace(at, folder.size(), "DIR");
        return text;
    }
    std::string refusal(const std::string& from) const {
        Net net;
        try {
            load_weights(net, from);
        } catch (const Error& error) {
            for (const Tensor& p : net.parameters()) EXPECT_TRUE(p.eq(0).all().item<bool>());
            return shorten(error.what());
        }
        return "accepted";
    }

    NamedTensors all(const std::string& prefix = "") const {
        return {{prefix + "conv.w", torch::ones({2, 2})},
                {prefix + "conv.b", torch::full({2}, 2.0)},
                {prefix + "conv.num_batches_tracked", torch::full({}, 5, at::kLong)}};
    }

    fs::path folder_;
};

void expect_loaded(const torch::nn::Module& net) {
    for (const auto& item : net.named_parameters())
        EXPECT_TRUE(item.value().eq(item.key().ends_with("w") ? 1 : 2).all().item<bool>())
            << item.key();
    EXPECT_EQ(net.buffers()[0].item<int64_t>(), 5);
}

TEST_F(LoadWeights, TakesWhatFits) {
    Net net;
    const LoadedWeights loaded = load_weights(net, write("a.safetensors", all()));
    expect_loaded(net);
    EXPECT_EQ(shorten(loaded.summary),
              "weights loaded from DIR/a.safetensors: 3 of the model's 3 tensors");
    EXPECT_TRUE(loaded.unmatched.empty());
    EXPECT_EQ(describe_unmatched(loaded), "");
}

TEST_F(LoadWeights, TakesTheFilesOfTorchSave) {
    using namespace test;
    const std::string weight = tensor(storage("FloatStorage", "0", 4), 0, {2, 2}, {2, 1});
    std::ofstream(path("epoch_3.pth"), std::ios::binary) << pth(
        pickle(dict(
            {{"model_state", dict({{"module.model.conv.w", weight}, {"module.model.x", none}})},
             {"epoch", number(3)}})),
        {{"0", raw(1.0F) + raw(1.0F) + raw(1.0F) + raw(1.0F)}});
    Net net;
    const LoadedWeights loaded = load_weights(net, path("epoch_3.pth"));
    EXPECT_TRUE(net.named_parameters()["conv.w"].eq(1).all().item<bool>());
    EXPECT_EQ(shorten(loaded.summary),
              "weights loaded from DIR/epoch_3.pth (model_state): 1 of the model's 3 tensors");
    EXPECT_EQ(loaded.unmatched,
              (std::vector<std::string>{"\"conv.b\" is not in the file",
                                        "\"module.model.x\" is null, not a tensor"}));
}

TEST_F(LoadWeights, DropsAndKeepsPrefixesAsTheModelHasThem) {
    const struct {
        const char* file;   // what the names in the file begin with
        const char* model;  // what the model's begin with
    } table[] = {{"", ""},
                 {"module.", ""},
                 {"model.", ""},
                 {"module.model.", ""},
                 {"module._orig_mod.", ""},
                 {"model.", "model"},
                 {"module.model.", "model"},
                 {"module.", "module"},
                 {"backbone.", "backbone"}};
    int n = 0;
    for (const auto& c : table) {
        SCOPED_TRACE(concat(c.file, " into ", c.model));
        Net net(c.model);
        const auto file = write(concat(++n, ".safetensors"), all(c.file));
        EXPECT_TRUE(load_weights(net, file).unmatched.empty());
        expect_loaded(net);
    }
}

TEST_F(LoadWeights, SaysAllThatDidNotMatch) {
    Net net;
    const LoadedWeights loaded =
        load_weights(net, write("a.safetensors", {{"conv.w", torch::ones({2, 2})},
                                                  {"conv.b", torch::ones({3})},
                                                  {"fc.weight", torch::ones({1})},
                                                  {"fc.bias", torch::ones({1})}}));
    // The counter of batches may be absent: files from before PyTorch 0.4.1 have none.
    EXPECT_EQ(describe_unmatched(loaded),
              "load_from: 3 tensor(s) did not match: \"conv.b\" is [3] in the file and [2] in the "
              "model; the model has no \"fc.bias\"; the model has no \"fc.weight\"");
    EXPECT_TRUE(net.named_parameters()["conv.b"].eq(0).all().item<bool>());
}

TEST_F(LoadWeights, RefusesWhatFitsNowhere) {
    EXPECT_EQ(refusal(write("a.safetensors", {{"x", torch::ones({1})}})),
              "load_from: nothing in DIR/a.safetensors fits the model: the file has x; the model "
              "has conv.b, conv.num_batches_tracked, conv.w");
    EXPECT_EQ(refusal(write("b.safetensors", {{"conv.w", torch::ones({1})}})),
              "load_from: nothing in DIR/b.safetensors fits the model: \"conv.b\" is not in the "
              "file; \"conv.w\" is [1] in the file and [2, 2] in the model");
    EXPECT_EQ(refusal(write("c.safetensors", {})),
              "load_from: nothing in DIR/c.safetensors fits the model: the file has no tensors; "
              "the model has conv.b, conv.num_batches_tracked, conv.w");
}

TEST_F(LoadWeights, TakesACheckpointByEachOfItsNames) {
    const std::string model = write("run/checkpoints/epoch_1/model.safetensors", all());
    std::ofstream(path("last_checkpoint")) << path("run/checkpoints/epoch_1") << "\n";
    fs::create_directory_symlink("run", path("latest"));
    for (const char* name : {"run/checkpoints/epoch_1", "run/checkpoints/epoch_1/model.safetensors",
                             "last_checkpoint", "latest/checkpoints/epoch_1"}) {
        Net net;
        load_weights(net, path(name));
        expect_loaded(net);
    }
}

TEST_F(LoadWeights, RefusesPathsThatNameNoWeights) {
    write("run/checkpoints/epoch_1/model.safetensors", all());
    write("run/checkpoints/epoch_2/model.safetensors", all());
    std::ofstream(path("run/checkpoints/epoch_3.pth")) << "x";
    fs::create_directory_symlink("run", path("latest"));
    fs::create_directory(path("empty"));
    fs::create_symlink("circle", path("circle"));
    fs::create_directories(path("gone"));
    std::ofstream(path("gone/last_checkpoint")) << "nowhere/epoch_1\n";
    fs::create_directories(path("links/a"));
    fs::create_symlink("model.safetensors", path("links/a/model.safetensors"));
    const std::string without = " is a folder without model.safetensors; ";
    const std::string name_one = "name one of its checkpoints: ";
    const auto three = [](const std::string& folder) {
        return concat(folder, "/epoch_1, ", folder, "/epoch_2, ", folder, "/epoch_3.pth");
    };
    const std::vector<std::pair<std::string, std::string>> table = {
        {"run", "DIR/run" + without + name_one + three("DIR/run/checkpoints")},
        {"latest", "DIR/latest" + without + name_one + three("DIR/latest/checkpoints")},
        {"run/checkpoints",
         "DIR/run/checkpoints" + without + name_one + three("DIR/run/checkpoints")},
        {"", "DIR/" + without + name_one + three("DIR/latest/checkpoints")},
        {"empty", "DIR/empty" + without + "name a checkpoint's folder (…/checkpoints/epoch_1)"},
        {"circle", "DIR/circle cannot be read: Too many levels of symbolic links"},
        {"links/a", "cannot open DIR/links/a/model.safetensors: Too many levels of symbolic links"},
        {"nowhere.pth",
         "DIR/nowhere.pth does not exist; name a checkpoint's folder "
         "(…/checkpoints/epoch_1), a last_checkpoint, a .safetensors or a .pth file"},
        {"gone/last_checkpoint",
         "DIR/gone/last_checkpoint names the checkpoint \"nowhere/epoch_1\", which is not there (a "
         "relative path counts from the current directory); name the checkpoint's folder itself"},
        {"run/checkpoints/epoch_3.pth",
         "cannot read weights from DIR/run/checkpoints/epoch_3.pth: it is neither a safetensors "
         "file nor one of torch.save, but a text that begins with \"x\""},
    };
    for (const auto& [name, complaint] : table)
        EXPECT_EQ(refusal(path(name)), "load_from: " + complaint);
}

// ---- pretrained

Pretrained pretrained(const std::string& file, const std::string& prefix = "",
                      const std::map<std::string, std::string>& mapping = {}) {
    return {file, prefix, mapping};
}

TEST_F(LoadWeights, PretrainedChangesNamesByPrefixAndMapping) {
    const struct {
        const char* file;   // what the names in the file begin with
        const char* model;  // what the model's begin with
        const char* prefix;
        std::map<std::string, std::string> mapping;
    } table[] = {
        {"", "", "", {}},
        {"backbone.", "", "backbone.", {}},
        {"module.backbone.", "", "backbone.", {}},
        {"module.backbone.", "", "module.backbone.", {}},
        {"module.model.backbone.", "", "model.backbone.", {}},
        {"backbone.", "", "", {{"^backbone\\.", ""}}},
        {"", "backbone", "", {{"^", "backbone."}}},
        {"net.", "backbone", "net.", {{"^", "backbone."}}},
        {"stages.3.", "layer4", "", {{"^stages\\.3\\.", "layer4."}, {"^s", "t"}}},
        {"a.conv.", "", "", {{"a\\.(\\w+)\\.\\1", "$1"}}},
    };
    int n = 0;
    for (const auto& c : table) {
        SCOPED_TRACE(concat(c.file, " into ", c.model, " by ", c.prefix));
        Net net(c.model);
        const auto file = write(concat(++n, ".safetensors"), all(c.file));
        for (const std::string& why :
             load_weights(net, pretrained(file, c.prefix, c.mapping)).unmatched)
            EXPECT_EQ(why, "no name in the file matches the mapping's \"^s\"");
        expect_loaded(net);
    }
}

TEST_F(LoadWeights, PretrainedOfAPrefixIsSilentAboutTheRest) {
    Net net;
    NamedTensors tensors = all("backbone.");
    tensors.emplace_back("head.w", torch::ones({1}));
    const auto loaded = load_weights(net, pretrained(write("a.safetensors", tensors), "backbone."));
    EXPECT_EQ(describe_unmatched(loaded), "");
    expect_loaded(net);
}

/// A body and a layer that gives the classes.
struct Classifier : torch::nn::Module {
    explicit Classifier(int64_t classes) {
        register_module("body", torch::nn::Linear(2, 3));
        register_module("fc", torch::nn::Linear(3, classes));
    }
};

NamedTensors classifier(int64_t classes, int64_t width = 3) {
    return {{"body.weight", torch::ones({width, 2})},
            {"body.bias", torch::ones({width})},
            {"fc.weight", torch::ones({classes, width})},
            {"fc.bias", torch::ones({classes})}};
}

TEST_F(LoadWeights, PretrainedLeavesAHeadOfOtherClassesAsItIs) {
    Classifier net(5);
    const Tensor before = net.named_parameters()["fc.weight"].clone();
    const auto loaded = load_weights(net, pretrained(write("a.safetensors", classifier(1000))));
    EXPECT_EQ(shorten(loaded.summary),
              "weights loaded from DIR/a.safetensors: 2 of the model's 4 tensors; \"fc\" starts "
              "anew: it has 1000 classes in the file and 5 in the model");
    EXPECT_EQ(describe_unmatched(loaded), "");
    EXPECT_TRUE(net.named_parameters()["body.weight"].eq(1).all().item<bool>());
    EXPECT_TRUE(net.named_parameters()["fc.weight"].equal(before));
}

TEST_F(LoadWeights, PretrainedSaysWhatElseIsOfAnotherShape) {
    Classifier net(5);
    NamedTensors tensors = classifier(5);
    tensors[1].second = torch::ones({4});
    const auto loaded = load_weights(net, pretrained(write("a.safetensors", tensors)));
    EXPECT_EQ(describe_unmatched(loaded),
              "pretrained: 1 tensor(s) did not match: \"body.bias\" is [4] in the file and [3] in "
              "the model");
}

TEST_F(LoadWeights, LoadFromTakesNoHeadOfOtherClasses) {
    Classifier net(5);
    const auto loaded = load_weights(net, write("a.safetensors", classifier(7)));
    EXPECT_EQ(describe_unmatched(loaded),
              "load_from: 2 tensor(s) did not match: \"fc.bias\" is [7] in the file and [5] in the "
              "model; \"fc.weight\" is [7, 3] in the file and [5, 3] in the model");
}

TEST_F(LoadWeights, PretrainedRefusesWhatFitsNowhere) {
    const std::string file = write("a.safetensors", all());
    const auto complaint = [&](const Pretrained& from) {
        Classifier net(5);
        try {
            load_weights(net, from);
        } catch (const Error& error) {
            return shorten(error.what());
        }
        return std::string("accepted");
    };
    EXPECT_EQ(complaint(pretrained(file)),
              "pretrained: nothing in DIR/a.safetensors fits the model: the file has conv.b, "
              "conv.num_batches_tracked, conv.w; the model has body.bias, body.weight, fc.bias, "
              "fc.weight");
    EXPECT_EQ(complaint(pretrained(file, "backbone.")),
              "pretrained: no name in DIR/a.safetensors begins with the prefix \"backbone.\"; the "
              "file has conv.num_batches_tracked, conv.b, conv.w");
    EXPECT_EQ(complaint(pretrained(file, "", {{"^conv.*", "body.bias"}})),
              "pretrained: the mapping makes two tensors of DIR/a.safetensors the model's "
              "\"body.bias\"");
    EXPECT_EQ(complaint(pretrained(path("gone.pth"))),
              "pretrained: DIR/gone.pth does not exist; name a checkpoint's folder "
              "(…/checkpoints/epoch_1), a last_checkpoint, a .safetensors or a .pth file");
    EXPECT_EQ(
        complaint(pretrained(write("b.safetensors", classifier(7, 4)))),
        "pretrained: nothing in DIR/b.safetensors fits the model: \"body.bias\" is [4] in the "
        "file and [3] in the model; \"body.weight\" is [4, 2] in the file and [3, 2] in the "
        "model; \"fc.weight\" is [7, 4] in the file and [5, 3] in the model");
}

/// A model that knows what another library calls its tensors.
struct Translating : Model {
    Translating() {
        auto inner = register_module("conv", std::make_shared<torch::nn::Module>());
        inner->register_parameter("w", torch::zeros({2, 2}));
        inner->register_parameter("b", torch::zeros({2}));
    }
    std::string state_dict_key(const std::string& name) const override {
        return name.starts_with("stem.") ? "conv." + name.substr(5) : name;
    }
};

TEST_F(LoadWeights, NamesOfAnotherLibraryWhereTheModelKnowsThem) {
    Translating net;
    const std::string file = write("other.safetensors", {{"module.stem.w", torch::ones({2, 2, 1})},
                                                         {"module.stem.b", torch::full({2}, 2.0)}});
    EXPECT_EQ(shorten(load_weights(net, file).summary),
              "weights loaded from DIR/other.safetensors: 2 of the model's 2 tensors");
    EXPECT_TRUE(net.parameters()[0].eq(1).all().item<bool>());
    EXPECT_TRUE(net.parameters()[1].eq(2).all().item<bool>());
}

TEST_F(LoadWeights, NamesOfBothKinds) {
    Translating net;
    const std::string file =
        write("own.safetensors", {{"conv.w", torch::ones({2, 2})}, {"stem.b", torch::ones({2})}});
    const LoadedWeights loaded = load_weights(net, file);
    EXPECT_EQ(shorten(loaded.summary),
              "weights loaded from DIR/own.safetensors: 2 of the model's 2 tensors");
    // Two tensors of one name are no other library's names.
    const std::string both = write(
        "both.safetensors", {{"conv.w", torch::ones({2, 2})}, {"stem.w", torch::ones({2, 2})}});
    EXPECT_EQ(
        load_weights(net, both).unmatched,
        (std::vector<std::string>{"\"conv.b\" is not in the file", "the model has no \"stem.w\""}));
}

/// Parameters a and b are one tensor.
struct TiedNet : torch::nn::Module {
    TiedNet() {
        const Tensor shared = register_parameter("a", torch::zeros({2}));
        register_parameter("b", shared);
        register_parameter("c", torch::zeros({2}));
    }
};

TEST_F(LoadWeights, ATensorOfTwoNamesIsFilledUnderEitherAndMustBeOne) {
    const Tensor ones = torch::ones({2}), twos = torch::full({2}, 2.0), c = torch::full({2}, 3.0);
    struct Row {
        NamedTensors file;
        std::string outcome;  // of load_weights(), with what did not match, or the error
        double value;         // of a and b afterwards
    };
    const std::vector<Row> table = {
        {{{"a", ones}, {"b", ones}, {"c", c}}, "2 of the model's 2 tensors", 1},
        {{{"a", ones}, {"c", c}}, "2 of the model's 2 tensors", 1},
        {{{"b", ones}, {"c", c}}, "2 of the model's 2 tensors", 1},
        {{{"a", ones}, {"b", ones.to(at::kDouble)}, {"c", c}}, "2 of the model's 2 tensors", 1},
        {{{"c", c}}, "1 of the model's 2 tensors; \"a\" is not in the file", 0},
        {{{"a", ones}, {"b", torch::ones({3})}, {"c", c}},
         "2 of the model's 2 tensors; \"b\" is [3] in the file and [2] in the model",
         1},
        {{{"a", ones}, {"b", twos}, {"c", c}},
         "load_from: DIR/w.safetensors: \"a\" and \"b\" are one tensor of the model, and have "
         "different values in the file",
         0},
    };
    for (const Row& row : table) {
        TiedNet net;
        std::string outcome;
        try {
            const LoadedWeights loaded = load_weights(net, write("w.safetensors", row.file));
            outcome = loaded.summary.substr(loaded.summary.find(": ") + 2);
            for (const std::string& text : loaded.unmatched) outcome += "; " + text;
        } catch (const Error& error) {
            outcome = shorten(error.what());
        }
        EXPECT_EQ(outcome, row.outcome);
        EXPECT_EQ(net.named_parameters()["b"][0].item<double>(), row.value) << row.outcome;
        fs::remove(path("w.safetensors"));
    }
}

TEST_F(LoadWeights, ACheckpointMayHaveEitherNameOfATensor) {
    const Tensor ones = torch::ones({2}), twos = torch::full({2}, 2.0);
    const std::vector<std::pair<NamedTensors, std::string>> table = {
        {{{"a", ones}, {"b", ones}, {"c", ones}}, ""},
        {{{"b", ones}, {"c", ones}}, ""},
        {{{"a", ones}, {"b", twos}, {"c", ones}},
         "SOURCE does not fit the model: \"a\" and \"b\" are one tensor of the model, and have "
         "different values in the file"},
        {{{"c", ones}}, "SOURCE does not fit the model: \"a\" is not in the file"},
    };
    for (const auto& [weights, refusal] : table) {
        TiedNet net;
        std::string found;
        try {
            copy_weights(net, weights, "SOURCE");
        } catch (const Error& error) {
            found = error.what();
        }
        EXPECT_EQ(found, refusal);
        EXPECT_EQ(net.named_parameters()["a"].eq(1).all().item<bool>(), refusal.empty());
    }
}

}  // namespace
}  // namespace ailab
