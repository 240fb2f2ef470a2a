#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Weights = std::map<std::string, Tensor>;

/// One number, for the arithmetic.
struct OneWeight final : Model {
    OneWeight() { w = register_parameter("w", at::zeros({1}, at::kDouble)); }
    Tensor w;
};

/// A convolution in channels_last, a batch norm with its buffers, and a frozen layer.
struct SmallNet final : Model {
    SmallNet() {
        conv = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, 3)));
        norm = register_module("norm", torch::nn::BatchNorm2d(4));
        fixed = register_module("fixed", torch::nn::Linear(4, 2));
        const at::NoGradGuard no_grad;
        for (Tensor& parameter : parameters())
            parameter.copy_(at::randn(parameter.sizes(), generator));
        conv->weight.set_data(conv->weight.detach().contiguous(at::MemoryFormat::ChannelsLast));
        for (Tensor& parameter : fixed->parameters()) parameter.set_requires_grad(false);
    }
    /// What an optimizer's step and a batch would change.
    void change(uint64_t step) {
        const at::NoGradGuard no_grad;
        generator.set_current_seed(step);
        for (Tensor& parameter : parameters())
            if (parameter.requires_grad())
                parameter.add_(at::randn(parameter.sizes(), generator), 0.1);
        norm->running_mean.add_(1);
        norm->num_batches_tracked.add_(1);
    }
    at::Generator generator = at::detail::createCPUGenerator(7);
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
    torch::nn::Linear fixed{nullptr};
};

Weights weights_of(const torch::nn::Module& module) {
    Weights result;
    for (const auto& item : module.named_parameters()) result[item.key()] = item.value().clone();
    return result;
}

bool same(const Weights& a, const Weights& b) {
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&b](const auto& one) {
               const auto other = b.find(one.first);
               return other != b.end() && at::equal(one.second, other->second);
           });
}

std::shared_ptr<Hook> make_ema(const std::string& options) {
    return make<Hook>(R"({"type": "EMAHook")" + options + "}");
}

class EMAHookTest : public HookTest {
  protected:
    static void begin(Hook& hook, FakeRun& run, const std::shared_ptr<Model>& model) {
        run.net = model;
        hook.before_run(run);
        hook.before_train_epoch(run);
    }
    static void end_step(Hook& hook, FakeRun& run) {
        hook.after_step(run);
        ++run.now.step;
        hook.after_train_iter(run);
    }
    static void train(Hook& hook, FakeRun& run, int64_t steps) {
        for (int64_t i = 0; i < steps; ++i) {
            dynamic_cast<SmallNet&>(*run.net).change(uint64_t(run.now.step));
            end_step(hook, run);
        }
    }
};

TEST_F(EMAHookTest, AveragesTheParameters) {
    struct Case {
        std::string options;
        std::vector<double> expected;  // after the steps that make the weight 1, 2, 3, 4; -1: none
    };
    const std::vector<Case> table = {
        {R"(, "decay": 0.5)", {0.5, 1.25, 2.125, 3.0625}},
        {R"(, "decay": 0)", {1, 2, 3, 4}},
        {"", {0.0001, 0.00029999, 0.000599960001, 0.0009999000049999}},
        {R"(, "decay": 0.5, "update_every": 2)", {0, 1, 1, 2.5}},
        {R"(, "decay": 0.5, "begin": 2)", {-1, 2, 2.5, 3.25}},
        // Decays 1/10, 2/11, 3/12, 4/13.
        {R"(, "decay": 0.5, "warmup": true)", {0.9, 1.8, 2.7, 3.6}},
        {R"(, "decay": 0.15, "warmup": true)", {0.9, 1.835, 2.82525, 3.8237875}},
    };
    for (const Case& c : table)
        on_one_rank([&](FakeRun& run) {
            const auto hook = make_ema(c.options);
            const auto model = std::make_shared<OneWeight>();
            begin(*hook, run, model);
            for (const double expected : c.expected) {
                model->w.data().add_(1);
                end_step(*hook, run);
                const Weights weights = hook->export_weights();
                ASSERT_EQ(weights.empty(), expected == -1) << c.options;
                if (!weights.empty())
                    EXPECT_NEAR(weights.at("w").item<double>(), expected, 1e-15) << c.options;
            }
        });
}

TEST_F(EMAHookTest, CountsOptimizerSteps) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "decay": 0.5)");
        const auto model = std::make_shared<OneWeight>();
        begin(*hook, run, model);
        model->w.data().fill_(1);
        hook->after_train_iter(run);  // the gradients of several iterations are one step
        EXPECT_EQ(hook->export_weights().at("w").item<double>(), 0);
        hook->after_step(run);  // a model with several optimizers
        end_step(*hook, run);
        EXPECT_EQ(hook->export_weights().at("w").item<double>(), 0.5);
    });
}

TEST_F(EMAHookTest, EvaluatesTheAverage) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "decay": 0.5)");
        const auto model = std::make_shared<SmallNet>();
        begin(*hook, run, model);
        train(*hook, run, 3);
        const Weights own = weights_of(*model);
        const Weights averages = hook->save_state().tensors;
        ASSERT_FALSE(same(own, averages));

        // As the run does for an evaluation, between its checkpoints.
        for (const auto& [parameter, average] : hook->evaluation_weights())
            parameter.detach().copy_(average);
        EXPECT_TRUE(same(weights_of(*model), averages));
        EXPECT_TRUE(at::equal(hook->export_weights().at("conv.bias"), averages.at("conv.bias")));
    });
}

TEST_F(EMAHookTest, LeavesTheModelAloneBeforeItBegins) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "begin": 5)");
        const auto model = std::make_shared<SmallNet>();
        begin(*hook, run, model);
        train(*hook, run, 4);
        EXPECT_TRUE(hook->evaluation_weights().empty());
        EXPECT_TRUE(hook->save_state().tensors.empty());
        train(*hook, run, 1);
        EXPECT_TRUE(same(hook->save_state().tensors, weights_of(*model)));
    });
}

TEST_F(EMAHookTest, ExportsEveryParameterAndBuffer) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "decay": 0.9)");
        const auto model = std::make_shared<SmallNet>();
        const Weights first = weights_of(*model);
        begin(*hook, run, model);
        train(*hook, run, 20);
        const Weights weights = hook->export_weights();
        EXPECT_EQ(weights.size(), model->named_parameters().size() + model->named_buffers().size());
        for (const auto& item : model->named_buffers())
            EXPECT_TRUE(at::equal(weights.at(item.key()), item.value())) << item.key();
        EXPECT_EQ(weights.at("norm.num_batches_tracked").item<int64_t>(), 20);
        for (const char* name : {"fixed.weight", "fixed.bias"})
            EXPECT_TRUE(at::equal(weights.at(name), first.at(name)))
                << "a frozen one stays exactly";
        EXPECT_FALSE(at::equal(weights.at("conv.weight"), model->conv->weight));
        for (const auto& [name, tensor] : weights) EXPECT_FALSE(tensor.requires_grad()) << name;
    });
}

TEST_F(EMAHookTest, GoesOnExactly) {
    const std::string options = R"(, "decay": 0.9, "warmup": true, "update_every": 3, "begin": 2)";
    struct Case {
        int64_t saved_at;
        bool state_first;  // load_state() comes before before_run()
    };
    for (const Case& c :
         {Case{0, true}, Case{1, false}, Case{2, true}, Case{4, false}, Case{7, true}})
        on_one_rank([&](FakeRun& run) {
            const auto straight = make_ema(options);
            begin(*straight, run, std::make_shared<SmallNet>());
            train(*straight, run, c.saved_at);
            State state = straight->save_state();
            // A file has neither strides nor the hook's memory.
            for (auto& [name, tensor] : state.tensors)
                tensor = tensor.clone(at::MemoryFormat::Contiguous);
            const Weights weights = weights_of(*run.net);

            FakeRun later(run.comm(), folder_);
            later.now.step = c.saved_at;
            const auto model = std::make_shared<SmallNet>();
            for (const auto& item : model->named_parameters())
                item.value().data().copy_(weights.at(item.key()));
            const auto resumed = make_ema(options);
            if (c.state_first) resumed->load_state(state);
            later.net = model;
            resumed->before_run(later);
            if (!c.state_first) resumed->load_state(state);
            resumed->before_train_epoch(later);

            train(*straight, run, 6);
            train(*resumed, later, 6);
            EXPECT_TRUE(same(resumed->save_state().tensors, straight->save_state().tensors));
            EXPECT_FALSE(straight->save_state().tensors.empty());
            EXPECT_EQ(resumed->save_state().values.flow(), straight->save_state().values.flow());
        });
}

TEST_F(EMAHookTest, TakesTheAverageBackWithTheRun) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "decay": 0.5)");
        begin(*hook, run, std::make_shared<SmallNet>());
        train(*hook, run, 2);
        State state = hook->save_state();
        for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
        train(*hook, run, 2);
        EXPECT_FALSE(same(hook->save_state().tensors, state.tensors));
        hook->load_state(state);
        EXPECT_TRUE(same(hook->save_state().tensors, state.tensors));
    });
}

TEST_F(EMAHookTest, KeepsTheStrides) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema(R"(, "decay": 0.5)");
        const auto model = std::make_shared<SmallNet>();
        const auto strides = model->conv->weight.strides().vec();
        ASSERT_NE(strides, at::empty({4, 3, 3, 3}).strides().vec());
        begin(*hook, run, model);
        train(*hook, run, 2);
        EXPECT_EQ(hook->export_weights().at("conv.weight").strides(), strides);
        EXPECT_EQ(hook->evaluation_weights().at(0).first.strides(), strides);
        EXPECT_EQ(hook->evaluation_weights().at(0).second.strides(), strides);
        State state = hook->save_state();
        for (auto& [name, tensor] : state.tensors) tensor = tensor.contiguous();
        hook->load_state(state);
        EXPECT_EQ(hook->export_weights().at("conv.weight").strides(), strides);
    });
}

TEST_F(EMAHookTest, RefusesTheAverageOfAnotherModel) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_ema("");
        begin(*hook, run, std::make_shared<SmallNet>());
        const State state = hook->save_state();
        const std::string text =
            "the saved averages of EMAHook have no conv.weight of this model's shape; they are of "
            "another model";
        State missing = state;
        missing.tensors.erase("conv.weight");
        EXPECT_EQ(error_of([&] { hook->load_state(missing); }), text);
        State other = state;
        other.tensors["conv.weight"] = at::zeros({4, 3, 5, 5});
        EXPECT_EQ(error_of([&] { hook->load_state(other); }), text);
        EXPECT_EQ(error_of([&] { hook->load_state({}); }),
                  "the saved state of EMAHook has no number \"updates\"");
    });
}

TEST_F(EMAHookTest, ChecksItsOptions) {
    for (const char* bad : {R"(, "decay": 1)", R"(, "decay": -0.1)", R"(, "warmup": 10)",
                            R"(, "update_every": 0)", R"(, "begin": -1)", R"(, "momentum": 0.1)"})
        EXPECT_THROW(make_ema(bad), ConfigError) << bad;
}

}  // namespace
}  // namespace ailab
