// load_from and pretrained of a checkpoint that is not as it was written.
#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/checkpoint/example_checkpoint.hpp"
#include "core/distributed/thread_comm.hpp"
#include "weights/load_weights.hpp"

namespace ailab::test {
namespace {

namespace fs = std::filesystem;

/// The model of example_checkpoint().
struct ExampleNet : torch::nn::Module {
    ExampleNet() {
        auto fc = std::make_shared<torch::nn::Module>();
        fc->register_parameter("weight", torch::zeros({2, 3}));
        fc->register_parameter("bias", torch::zeros({2}));
        register_module("fc", fc);
        auto tied = std::make_shared<torch::nn::Module>();
        tied->register_parameter("weight", fc->parameters()[0]);
        register_module("tied", tied);
    }
};

class DamagedWeights : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_damaged_weights_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        run_ranks(1, [&](ThreadComm& comm) {
            write_checkpoint(folder_.string(), "", example_checkpoint(0), comm);
        });
    }
    void TearDown() override { fs::remove_all(folder_); }

    void flip_last_byte(const std::string& name) const {
        std::fstream file(folder_ / name, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(-1, std::ios::end);
        const char last = char(file.peek());
        file.seekp(-1, std::ios::end);
        file.put(char(last ^ 1));
    }
    /// "" for weights that are taken.
    static std::string refusal(const std::string& path, bool pretrained) {
        ExampleNet net;
        try {
            pretrained ? load_weights(net, Pretrained{path, "", {}}) : load_weights(net, path);
            return "";
        } catch (const Error& error) {
            return error.what();
        }
    }

    fs::path folder_;
};

TEST_F(DamagedWeights, AreRefused) {
    struct Case {
        std::string damaged;
        std::string named;  // below the checkpoint's folder
        bool taken;
    };
    for (const Case& c :
         {Case{"", "", true}, Case{"", "model.safetensors", true},
          Case{"model.safetensors", "", false},
          Case{"model.safetensors", "model.safetensors", false},
          // Averages may be among the states.
          Case{"state.safetensors", "", false},
          Case{"state.safetensors", "model.safetensors", true}, Case{"manifest.json", "", false},
          Case{"manifest.json", "model.safetensors", false}}) {
        if (!c.damaged.empty()) flip_last_byte(c.damaged);
        for (const bool pretrained : {false, true}) {
            const std::string path =
                c.named.empty() ? folder_.string() : (folder_ / c.named).string();
            const std::string why = refusal(path, pretrained);
            EXPECT_EQ(why.empty(), c.taken) << c.damaged << ", " << c.named << ": " << why;
            if (!c.taken) EXPECT_NE(why.find(folder_.string()), std::string::npos) << why;
        }
        if (!c.damaged.empty()) flip_last_byte(c.damaged);
    }
}

TEST_F(DamagedWeights, AFolderWithoutAManifestIsTaken) {
    fs::remove(folder_ / "manifest.json");
    EXPECT_EQ(refusal(folder_.string(), false), "");
}

}  // namespace
}  // namespace ailab::test
