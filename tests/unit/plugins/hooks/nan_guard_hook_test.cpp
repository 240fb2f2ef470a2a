#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Texts = std::vector<std::string>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct TwoLayers final : Model {
    TwoLayers() {
        // The order is that of registration, not of the alphabet.
        second = register_module("second", torch::nn::Linear(2, 2));
        first = register_module("first", torch::nn::Linear(2, 2));
        for (Tensor& parameter : parameters())
            parameter.mutable_grad() = at::ones_like(parameter).detach();
        second->weight.mutable_grad().reset();  // not used
    }
    torch::nn::Linear second{nullptr}, first{nullptr};
};

std::shared_ptr<Hook> make_guard(const std::string& options) {
    return make<Hook>(R"({"type": "NanGuardHook")" + options + "}");
}

class NanGuardHookTest : public HookTest {
  protected:
    void on_one_rank(const std::function<void(FakeRun&)>& body) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.net = std::make_shared<TwoLayers>();
            log_through([this](const std::string& text) { logged_ += text; });
            body(run);
            log_through({});
        });
        EXPECT_EQ(errors[0], "");
    }
    static void step(Hook& hook, FakeRun& run, double norm) {
        run.norm = norm;
        hook.before_step(run);
    }
    std::string logged_;
};

TEST_F(NanGuardHookTest, LetsFiniteGradientsPass) {
    on_one_rank([](FakeRun& run) {
        for (const char* action : {"stop", "skip", "rollback"}) {
            const auto hook = make_guard(concat(R"(, "action": ")", action, "\""));
            for (const double norm : {0.0, 1.0, 1e30}) EXPECT_NO_THROW(step(*hook, run, norm));
        }
        EXPECT_TRUE(run.skipped.empty());
        EXPECT_TRUE(run.rolled_back.empty());
    });
    EXPECT_EQ(logged_, "");
}

TEST_F(NanGuardHookTest, SaysWhatIsNotFinite) {
    struct Case {
        double norm;
        std::function<void(TwoLayers&)> spoil;
        std::vector<std::pair<std::string, double>> losses;
        std::string expected;
    };
    const std::string where = "epoch 3, iteration 5, step 26: the norm of the gradients is ";
    const std::string what = " Lower the learning rate, clip the gradients, or look at the data";
    const std::vector<Case> table = {
        {nan,
         [](TwoLayers& net) { net.first->bias.mutable_grad()[1] = nan; },
         {{"loss", 2.5}},
         where +
             "nan. The first parameter with such a gradient is first.bias. No loss term is nan "
             "or infinite." +
             what},
        {infinity,
         [](TwoLayers& net) {
             net.first->weight.mutable_grad()[0][1] = -infinity;
             net.second->bias.mutable_grad()[0] = infinity;
         },
         {{"loss_box", nan}, {"loss_cls", 0.5}, {"loss_mask", infinity}},
         where +
             "inf. The first parameter with such a gradient is second.bias. Loss terms: "
             "loss_box nan, loss_mask inf on rank 0." +
             what},
        // The sum of squares overflows.
        {infinity,
         [](TwoLayers& net) { net.first->weight.mutable_grad().fill_(1e30); },
         {},
         where +
             "inf. Each gradient is finite, and only their norm is not. No loss term is nan or "
             "infinite." +
             what},
    };
    for (const Case& c : table)
        on_one_rank([&](FakeRun& run) {
            run.now.epoch = 2;
            run.now.iter = 4;
            run.now.step = 25;
            run.losses = c.losses;
            c.spoil(dynamic_cast<TwoLayers&>(*run.net));
            const auto hook = make_guard("");
            EXPECT_EQ(error_of([&] { step(*hook, run, c.norm); }), c.expected);
            EXPECT_TRUE(run.skipped.empty());
        });
}

TEST_F(NanGuardHookTest, ActsAlikeOnAllRanks) {
    for (const char* action : {"stop", "skip", "rollback"}) {
        Texts skipped(3), rolled_back(3);
        std::vector<std::shared_ptr<Hook>> hooks;
        for (int r = 0; r < 3; ++r)
            hooks.push_back(make_guard(concat(R"(, "action": ")", action, "\"")));
        std::string logged;
        log_through([&logged](const std::string& text) { logged += text; });
        const auto errors = run_ranks(3, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.net = std::make_shared<TwoLayers>();
            run.saved = {"a checkpoint"};
            if (comm.rank() > 0) run.losses = {{"loss", comm.rank() == 1 ? nan : infinity}};
            step(*hooks[size_t(comm.rank())], run, nan);
            skipped[size_t(comm.rank())] = join(run.skipped);
            rolled_back[size_t(comm.rank())] = join(run.rolled_back);
        });
        log_through({});
        const bool stops = std::string(action) == "stop";
        const std::string message = stops ? errors[0] : skipped[0];
        EXPECT_TRUE(contains(message, "Loss terms: loss nan on rank 1; loss inf on rank 2."))
            << message;
        EXPECT_EQ(errors, Texts(3, stops ? message : ""));
        EXPECT_EQ(skipped, Texts(3, stops ? "" : message));
        EXPECT_EQ(rolled_back, Texts(3, std::string(action) == "rollback" ? message : ""));
        // One warning, of rank 0.
        EXPECT_EQ(contains(logged, message), !stops) << logged;
        EXPECT_EQ(logged.find(message), logged.rfind(message));
    }
}

TEST_F(NanGuardHookTest, SkipsSomeStepsInARow) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_guard(R"(, "action": "skip", "max_skips": 2)");
        for (const double norm : {nan, infinity, 1.0, nan, nan}) step(*hook, run, norm);
        EXPECT_EQ(run.skipped.size(), 4U) << "a finite step begins a new row";
        const std::string error = error_of([&] { step(*hook, run, nan); });
        EXPECT_TRUE(contains(error, "The 2 steps before were left out too, and max_skips is 2"))
            << error;
        EXPECT_EQ(run.skipped.size(), 4U);

        const auto strict = make_guard(R"(, "action": "skip", "max_skips": 0)");
        EXPECT_NE(error_of([&] { step(*strict, run, nan); }), "");
        const auto usual = make_guard(R"(, "action": "skip")");
        for (int i = 0; i < 10; ++i) EXPECT_NO_THROW(step(*usual, run, nan));
        EXPECT_NE(error_of([&] { step(*usual, run, nan); }), "");
        EXPECT_TRUE(run.rolled_back.empty());
    });
    EXPECT_TRUE(contains(logged_, "The step is left out (2 of max_skips 2 in a row)")) << logged_;
}

TEST_F(NanGuardHookTest, GoesBackSometimes) {
    on_one_rank([](FakeRun& run) {
        const auto hook = make_guard(R"(, "action": "rollback", "max_rollbacks": 2)");
        run.saved = {"a checkpoint"};
        for (int i = 0; i < 2; ++i) {
            const State saved = make_guard("")->save_state();  // from before anything was wrong
            step(*hook, run, nan);
            hook->load_state(saved);
            step(*hook, run, 1);
        }
        EXPECT_EQ(run.rolled_back.size(), 2U);
        EXPECT_EQ(run.skipped, run.rolled_back) << "the step with the bad gradient is not taken";
        const std::string error = error_of([&] { step(*hook, run, nan); });
        EXPECT_TRUE(contains(error, "The run has gone back 2 times, and max_rollbacks is 2"))
            << error;
        EXPECT_EQ(run.rolled_back.size(), 2U);
    });
}

TEST_F(NanGuardHookTest, SkipsWhereThereIsNothingToGoBackTo) {
    on_one_rank([](FakeRun& run) {
        const auto hook =
            make_guard(R"(, "action": "rollback", "max_rollbacks": 1, "max_skips": 2)");
        step(*hook, run, nan);
        step(*hook, run, nan);
        EXPECT_EQ(run.skipped.size(), 2U);
        EXPECT_TRUE(contains(error_of([&] { step(*hook, run, nan); }), "max_skips is 2"));
        run.saved = {"a checkpoint"};
        EXPECT_NO_THROW(step(*hook, run, nan)) << "the skips were no rollbacks";
    });
}

TEST_F(NanGuardHookTest, KeepsItsCounts) {
    on_one_rank([](FakeRun& run) {
        const std::string options = R"(, "action": "skip", "max_skips": 2)";
        auto hook = make_guard(options);
        for (int i = 0; i < 2; ++i) {
            step(*hook, run, nan);
            const State state = hook->save_state();
            hook = make_guard(options);
            hook->load_state(state);
        }
        EXPECT_NE(error_of([&] { step(*hook, run, nan); }), "");
        EXPECT_EQ(error_of([&] { hook->load_state({}); }),
                  "the saved state of NanGuardHook has no number \"skips\"");

        run.saved = {"a checkpoint"};
        hook = make_guard(R"(, "action": "rollback", "max_rollbacks": 1)");
        step(*hook, run, nan);
        const State state = hook->save_state();
        hook = make_guard(R"(, "action": "rollback", "max_rollbacks": 1)");
        hook->load_state(state);
        EXPECT_NE(error_of([&] { step(*hook, run, nan); }), "");
    });
}

TEST_F(NanGuardHookTest, ChecksItsOptions) {
    for (const char* bad : {R"(, "action": "ignore")", R"(, "max_skips": -1)",
                            R"(, "max_rollbacks": -1)", R"(, "patience": 1)"})
        EXPECT_THROW(make_guard(bad), ConfigError) << bad;
}

}  // namespace
}  // namespace ailab
