// Optimizers go on from checkpoints of the original ailab as PyTorch's own do. The files are those
// of tests/reference/original_checkpoints.py.
#include "checkpoint/original_checkpoint.hpp"

#include <gtest/gtest.h>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::make;

struct OriginalCase {
    const char* file;
    const char* json;
};

void PrintTo(const OriginalCase& c, std::ostream* out) {
    *out << c.file;
}

const std::vector<std::string> names = {"a", "b"};

OriginalCheckpoint read(const std::string& file, int step) {
    return read_original_checkpoint(concat(AILAB_REFERENCE, "/original_", file, "_", step, ".pth"));
}

/// As set_gradients() of the script.
void set_gradients(const std::vector<Tensor>& params, int step) {
    for (size_t k = 0; k < params.size(); ++k) {
        const Tensor n = torch::arange(params[k].numel(), at::kDouble).reshape(params[k].sizes());
        params[k].mutable_grad() = 0.25 * (n + 1 + double(k)) - 0.125 * step * (n - 1);
    }
}

class OriginalCheckpoints : public testing::TestWithParam<OriginalCase> {
  protected:
    std::shared_ptr<Optimizer> optimizer(const std::vector<Tensor>& params,
                                         const std::string& json) {
        auto made = make<Optimizer>(json);
        made->add_group({.names = names, .params = params, .lr = 1, .initial_lr = 1});
        return made;
    }
};

TEST_P(OriginalCheckpoints, GoOnAsInPyTorch) {
    OriginalCheckpoint before = read(GetParam().file, 3);
    const OriginalCheckpoint after = read(GetParam().file, 5);
    EXPECT_EQ(before.epoch, 3);
    EXPECT_EQ(before.model.prefix, "module.model.");
    std::vector<Tensor> params;
    for (size_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(before.model.tensors.at(i).first, names[i]);
        params.push_back(before.model.tensors[i].second.requires_grad_());
    }
    const auto optimizer = this->optimizer(params, GetParam().json);
    const State state = to_optimizer_state(before.optimizer.value(), names);
    // What the core does with the groups of a checkpoint.
    const Node& group = state.values.find("groups")->items().at(0);
    EXPECT_EQ(group.find("lr")->as_float(), 0.1);
    optimizer->groups()[0].lr = group.find("lr")->as_float();
    optimizer->groups()[0].weight_decay = group.find("weight_decay")->as_float();
    optimizer->load_state(state);
    for (int step = 3; step < 5; ++step) {
        set_gradients(params, step);
        optimizer->step();
    }
    for (size_t i = 0; i < names.size(); ++i)
        EXPECT_TRUE(params[i].allclose(after.model.tensors[i].second, 0, 1e-14)) << names[i];

    const State found = optimizer->save_state();
    const State expected = to_optimizer_state(after.optimizer.value(), names);
    ASSERT_EQ(found.tensors.size(), expected.tensors.size());
    for (const auto& [name, tensor] : expected.tensors) {
        if (std::string(GetParam().file) == "sgd" && name.starts_with("step/")) continue;
        EXPECT_TRUE(
            found.tensors.at(name).to(at::kDouble).allclose(tensor.to(at::kDouble), 0, 1e-14))
            << name;
    }
}

INSTANTIATE_TEST_SUITE_P(
    , OriginalCheckpoints,
    testing::Values(
        OriginalCase{"adam", R"({"type": "Adam", "lr": 1, "weight_decay": 1, "amsgrad": true})"},
        OriginalCase{"adamw", R"({"type": "AdamW", "lr": 1, "weight_decay": 1})"},
        OriginalCase{"sgd", R"({"type": "SGD", "lr": 1, "momentum": 0.9, "weight_decay": 1})"}),
    [](const auto& info) { return info.param.file; });

TEST_F(OriginalCheckpoints, AreRefusedWhereTheyDoNotFit) {
    const OriginalCheckpoint adamw = read("adamw", 3);
    const OriginalCheckpoint sgd = read("sgd", 3);
    const std::vector<Tensor> params = {torch::zeros({3}, at::kDouble).requires_grad_(),
                                        torch::zeros({2, 2}, at::kDouble).requires_grad_()};
    const std::string momentum = R"({"type": "SGD", "momentum": 0.9})";
    struct Wrong {
        const OriginalCheckpoint& checkpoint;
        std::string json;
        std::vector<std::string> names;
        std::string complaint;
    };
    const std::vector<Wrong> table = {
        {adamw,
         R"({"type": "AdamW"})",
         {"a"},
         "the saved optimizer has 2 parameter(s), the model has 1 that are trained"},
        {adamw,
         R"({"type": "AdamW"})",
         {"b", "a"},
         "the saved state of parameter a does not fit: exp_avg has the shape [2, 2] instead "
         "of [3]"},
        {adamw,
         momentum,
         {"a", "b"},
         "the saved state of parameter a does not fit: momentum_buffer is missing"},
        {sgd,
         R"({"type": "AdamW"})",
         {"a", "b"},
         "the saved state of parameter a does not fit: exp_avg is missing"},
    };
    for (const Wrong& wrong : table) {
        const auto optimizer = this->optimizer(params, wrong.json);
        EXPECT_EQ(error_of([&] {
                      optimizer->load_state(
                          to_optimizer_state(wrong.checkpoint.optimizer.value(), wrong.names));
                  }),
                  wrong.complaint);
    }
}

}  // namespace
}  // namespace ailab
