// ProgressHook in a made-up run: when it draws, what, and what it costs.
#include <fcntl.h>

#include <chrono>
#include <thread>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

/// What is written to stderr meanwhile.
template <class Action>
std::string stderr_of(const Action& action) {
    testing::internal::CaptureStderr();
    action();
    return testing::internal::GetCapturedStderr();
}

size_t count(const std::string& text, const std::string& part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

class ProgressHookTest : public HookTest {
  protected:
    void SetUp() override {
        HookTest::SetUp();
        setenv("TERM", "xterm", 1);
        setenv("LC_ALL", "C", 1);
    }

    /// One epoch of `iterations` with a batch of 10, each taking so long.
    static void train(Hook& hook, FakeRun& run, int64_t iterations,
                      std::chrono::microseconds each = {}) {
        run.now.phase = Phase::train;
        run.now.iters = iterations;
        run.now.samples = 0;
        run.now.total_samples = iterations * 10;
        run.batch().global_size = 10;
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < iterations; ++run.now.iter) {
            run.now.samples += 10;
            std::this_thread::sleep_for(each);
            hook.after_train_iter(run);
        }
        hook.after_train_epoch(run);
    }

    template <class Action>
    void in_run(const std::string& options, const Action& action) {
        const auto hook = make<Hook>(R"({"type": "ProgressHook", )" + options + "}");
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.now.total_epochs = 3;
            hook->before_run(run);
            action(*hook, run);
        });
        EXPECT_EQ(errors[0], "");
    }
};

TEST_F(ProgressHookTest, DrawsTheLossAndTheSamplesOfThePhase) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "bar", "width": 130)", [](Hook& hook, FakeRun& run) {
            run.losses = {{"ce", 0.25}, {"l2", 0.5}};
            run.now.epoch = 1;
            train(hook, run, 50, std::chrono::milliseconds(5));
            hook.after_run(run);
        });
    });
    EXPECT_TRUE(drawn.starts_with("\r\x1b[?7lepoch 2/3 train   0%|")) << drawn;
    EXPECT_TRUE(test::contains(drawn, "| 0/500 [00:00<?, ? samples/s]\x1b[J\r")) << drawn;
    EXPECT_TRUE(test::contains(drawn, "epoch 2/3 train 100%|###")) << drawn;
    EXPECT_TRUE(test::contains(drawn, "| 500/500 [00:00<00:00, ")) << drawn;
    EXPECT_TRUE(test::contains(drawn, " loss=0.7500, ce=0.2500, l2=0.5000\x1b[J\r")) << drawn;
    EXPECT_TRUE(drawn.ends_with("\r \x1b[J\r\x1b[K")) << "nothing stays";
}

TEST_F(ProgressHookTest, DrawsTenTimesASecondAtMost) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "bar", "width": 100)", [](Hook& hook, FakeRun& run) {
            for (int epoch = 0; epoch < 100; ++epoch)
                train(hook, run, 100, std::chrono::microseconds(20));
            train(hook, run, 500, std::chrono::milliseconds(2));
            hook.after_run(run);
        });
    });
    const size_t times = count(drawn, "\x1b[J");
    EXPECT_GT(times, 8u);
    EXPECT_LT(times, 40u) << "in about 2 s";
}

TEST_F(ProgressHookTest, LeavesFinishedBarsWhenAsked) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "bar", "width": 60, "leave": true)", [](Hook& hook, FakeRun& run) {
            train(hook, run, 3);
            train(hook, run, 3);
            hook.after_run(run);
        });
    });
    EXPECT_EQ(count(drawn, "\n"), 2u);
    EXPECT_EQ(count(drawn, " 100%|"), 2u);
}

TEST_F(ProgressHookTest, LogLinesStandAboveTheBar) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "bar", "width": 60)", [](Hook& hook, FakeRun& run) {
            train(hook, run, 20, std::chrono::milliseconds(10));
            log_info("above");
            hook.after_run(run);
            log_info("after");
        });
    });
    const size_t above = drawn.find("INFO - above\n");
    ASSERT_NE(above, std::string::npos) << drawn;
    EXPECT_EQ(drawn.substr(drawn.rfind('\r', above), 4), "\r\x1b[K") << "the bar is taken away";
    EXPECT_EQ(drawn.substr(above + 13, 11), "\x1b[?7l1/3 tr") << "and drawn again";
    EXPECT_TRUE(drawn.ends_with(" INFO - after\n")) << drawn;
}

TEST_F(ProgressHookTest, KeepsTheBarOfAFailedRun) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "bar", "width": 60)", [](Hook& hook, FakeRun& run) {
            train(hook, run, 20, std::chrono::milliseconds(10));
            hook.on_exception(run, "out of memory");
            log_warning("after");
        });
    });
    const size_t after = drawn.find("\x1b[?7h\n");
    ASSERT_NE(after, std::string::npos) << drawn;
    EXPECT_EQ(drawn.find('\x1b', after + 6), std::string::npos) << "no bar any more";
}

TEST_F(ProgressHookTest, PlainLinesComeNowAndThen) {
    const std::string drawn = stderr_of([&] {
        in_run(R"("mode": "plain", "plain_interval": 0.2)", [](Hook& hook, FakeRun& run) {
            train(hook, run, 100, std::chrono::milliseconds(5));
            hook.after_run(run);
        });
    });
    EXPECT_EQ(drawn.find_first_of("\r\x1b"), std::string::npos);
    EXPECT_GE(count(drawn, "\n"), 2u);
    EXPECT_LE(count(drawn, "\n"), 6u) << drawn;
    EXPECT_TRUE(drawn.starts_with("epoch 1/3 train  ")) << drawn;
}

TEST_F(ProgressHookTest, IsSilentWhereItIsNotWanted) {
    const auto silent = [&](const std::string& options) {
        return stderr_of([&] {
            in_run(options, [](Hook& hook, FakeRun& run) {
                train(hook, run, 60, std::chrono::milliseconds(2));
                hook.after_run(run);
            });
        });
    };
    EXPECT_EQ(silent(R"("mode": "off")"), "");
    EXPECT_EQ(silent(R"("mode": "auto")"), "") << "stderr is a file here";
    const std::string two = stderr_of([&] {
        std::vector<std::shared_ptr<Hook>> hooks;
        for (int r = 0; r < 2; ++r)
            hooks.push_back(
                make<Hook>(R"({"type": "ProgressHook", "mode": "bar", "leave": true})"));
        run_ranks(2, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            Hook& hook = *hooks[size_t(comm.rank())];
            hook.before_run(run);
            train(hook, run, 3);
            hook.after_run(run);
        });
    });
    EXPECT_EQ(count(two, "\n"), 1u) << "rank 0 alone draws";
}

TEST_F(ProgressHookTest, RefusesWrongOptions) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"("mode": "tqdm")", "mode must be one of auto, bar, plain, off"},
        {R"("width": 5)", "width must be between 20 and 10000"},
        {R"("plain_interval": -1)", "plain_interval must be between 0 and 1000000"},
    };
    for (const auto& [option, complaint] : table) {
        const std::string error = test::error_of(
            [&, text = option] { make<Hook>(R"({"type": "ProgressHook", )" + text + "}"); });
        EXPECT_TRUE(test::contains(error, complaint)) << error;
    }
}

TEST_F(ProgressHookTest, CostsAnIterationNextToNothing) {
    using Clock = std::chrono::steady_clock;
    constexpr int64_t iterations = 2'000'000;
    const auto seconds_of = [](const auto& work) {
        const auto begin = Clock::now();
        work();
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    double took = 0;
    stderr_of([&] {
        in_run(R"("mode": "bar", "width": 100)", [&](Hook& hook, FakeRun& run) {
            took = seconds_of([&] { train(hook, run, iterations); });
            hook.after_run(run);
        });
    });
    // With the drawing: as much as a few looks at the clock.
    Clock::time_point last;
    const double looks = seconds_of([&] {
        for (int64_t i = 0; i < iterations; ++i) last = std::max(last, Clock::now());
    });
    EXPECT_LT(took, 20 * looks);
}

TEST_F(ProgressHookTest, ATerminalThatTakesNothingDoesNotHoldUpTheTraining) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const int capacity = fcntl(ends[1], F_SETPIPE_SZ, 4096);
    const int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    const std::string rest(size_t(capacity) - 10, 'x');
    ASSERT_EQ(write(ends[1], rest.data(), rest.size()), ssize_t(rest.size()));
    std::thread reader;
    in_run(R"("mode": "bar", "width": 100)", [&](Hook& hook, FakeRun& run) {
        const auto begin = std::chrono::steady_clock::now();
        train(hook, run, 100, std::chrono::milliseconds(3));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
        reader = std::thread([fd = ends[0]] {
            char text[4096];
            while (read(fd, text, sizeof text) > 0) {
            }
        });
        hook.after_run(run);
    });
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    reader.join();
    close(ends[0]);
}

}  // namespace
}  // namespace ailab
