#pragma once
// A run as a hook sees it, moved by the test's hand.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "ailab/ailab.hpp"
#include "core/distributed/thread_comm.hpp"
#include "make_module.hpp"

namespace ailab::test {

class FakeDevice final : public Device {
  public:
    Availability available(const RankInfo&) const override { return {}; }
    c10::DeviceType type() const override { return at::kCPU; }
    c10::Device select(const RankInfo&) override { return at::kCPU; }
    int64_t peak_memory() const override { return 392 << 20; }
    void seed(uint64_t) override {}
    Tensor rng_state() const override { return {}; }
    void set_rng_state(const Tensor&) override {}
};

class FakeModel final : public Model {};

class FakeWindow final : public MeterWindow {
  public:
    std::vector<std::pair<std::string, double>> reduce() override {
        ++reductions;
        return values;
    }
    std::vector<std::pair<std::string, double>> values;
    int reductions = 0;
};

class NoSamples final : public Dataset {
  public:
    int64_t size() const override { return 0; }
    Sample get(int64_t, const SampleContext&) const override { return {}; }
};

class FakeRun : public Run {
  public:
    const Dataset* training = nullptr;
    FakeRun(Comm& comm, std::string folder) : comm_(comm), folder_(std::move(folder)) {
        std::filesystem::create_directories(folder_);
    }

    const Node& config() const override { return settings; }
    std::string config_text() const override { return ""; }
    const std::string& work_dir() const override { return folder_; }
    const std::string& run_dir() const override { return folder_; }
    std::string output_folder(const std::optional<std::string>& given,
                              const std::string& usual) const override {
        return given.value_or((std::filesystem::path(folder_) / usual).string());
    }
    bool dry_run() const override { return false; }
    const std::string& resumed_from() const override { return resumed; }
    uint64_t seed() const override { return 0; }
    Comm& comm() override { return comm_; }
    Device& device() override { return device_; }
    c10::Device torch_device() const override { return at::kCPU; }
    const Progress& progress() const override { return now; }
    int64_t global_batch_size() const override { return 4; }
    Model& model() override { return *net; }
    Loss* loss() override { return nullptr; }
    std::map<std::string, std::shared_ptr<Optimizer>>& optimizers() override { return optimizers_; }
    const std::vector<std::shared_ptr<Hook>>& hooks() const override { return hooks_; }
    const Dataset* dataset(Phase phase) const override {
        return phase == Phase::train ? training : nullptr;
    }
    Batch& batch() override { return batch_; }
    std::shared_ptr<MeterWindow> open_window(Phase) override { return window; }
    void record(const std::string&, const Tensor&, double) override {}
    /// One more iteration with each look. Powers of 2, whose sums are exact.
    Timing timing() const override {
        ++looks_;
        const double n = double(looks_);
        return {
            looks_, n / 64, n / 1024, n * loading.read, n * loading.decode, n * loading.transform};
    }
    const std::vector<std::pair<std::string, double>>& results(Phase phase) const override {
        static const std::vector<std::pair<std::string, double>> none;
        const auto found = published.find(phase);
        return found == published.end() ? none : found->second;
    }
    void publish(const std::string& name, double value) override {
        published[now.phase].emplace_back(name, value);
    }
    void stop(const std::string& reason) override { stop_reason_ = reason; }
    const std::string& stop_reason() const override { return stop_reason_; }
    void save_checkpoint(const std::string& path) override {
        saved.push_back(path);
        if (!is_main()) return;
        std::filesystem::create_directories(path);
        std::ofstream(path + "/manifest.json") << "{}";
    }
    std::vector<std::pair<std::string, double>> loss_values() override { return losses; }
    double grad_norm() override { return norm; }
    void skip_step(const std::string& reason) override { skipped.push_back(reason); }
    bool roll_back(const std::string& reason) override {
        rolled_back.push_back(reason);
        return !saved.empty();
    }
    const std::string& checkpoint_folder() const override { return checkpoints_; }
    void set_checkpoint_folder(const std::string& folder) override { checkpoints_ = folder; }
    void save_weights(const std::string& path) override { weights.push_back(path); }
    double seconds_to_first_step() const override { return 0.5; }
    double train_seconds() const override { return 2; }
    int64_t train_samples() const override { return 1000; }

    Node settings = Node::map();
    Progress now;
    std::shared_ptr<Model> net = std::make_shared<FakeModel>();
    std::map<Phase, std::vector<std::pair<std::string, double>>> published;
    std::vector<std::string> saved;
    std::vector<std::string> weights;
    std::vector<std::string> skipped;
    std::vector<std::string> rolled_back;
    std::vector<std::pair<std::string, double>> losses;
    double norm = 0;
    Timing loading;  // what the loader spends on an iteration
    std::string resumed;
    std::shared_ptr<FakeWindow> window = std::make_shared<FakeWindow>();

  private:
    mutable int64_t looks_ = 0;
    Comm& comm_;
    std::string folder_;
    std::string checkpoints_;
    FakeDevice device_;
    std::map<std::string, std::shared_ptr<Optimizer>> optimizers_;
    std::vector<std::shared_ptr<Hook>> hooks_;
    Batch batch_;
    std::string stop_reason_;
};

class HookTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("ailab_hook_" + std::to_string(getpid()));
        std::filesystem::remove_all(folder_);
    }
    void TearDown() override {
        log_to_file("");
        std::filesystem::remove_all(folder_);
    }
    void on_one_rank(const std::function<void(FakeRun&)>& body) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            body(run);
        });
        EXPECT_EQ(errors[0], "");
    }
    std::vector<std::string> lines(const std::string& name) const {
        std::ifstream file(folder_ / name);
        std::vector<std::string> result;
        for (std::string line; std::getline(file, line);) result.push_back(line);
        return result;
    }

    std::filesystem::path folder_;
};

/// Keeps what is logged.
class LoggedHookTest : public HookTest {
  protected:
    void SetUp() override {
        HookTest::SetUp();
        log_through([this](const std::string& lines) { said_ += lines; });
    }
    void TearDown() override {
        log_through({});
        HookTest::TearDown();
    }
    std::string said_;
};

}  // namespace ailab::test
