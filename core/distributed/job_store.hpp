#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>

#include "store_table.hpp"

namespace ailab::dist {

/// The job's table as LibTorch's backends know a store: over the control channel, so that there is
/// no port, and nobody but the ranks of the job gets to it. Thread-safe: a call that waits keeps no
/// other.
class JobStore final : public c10d::Store {
  public:
    explicit JobStore(std::shared_ptr<StoreCaller> caller) : caller_(std::move(caller)) {}

    using Store::compareSet;
    using Store::set;
    c10::intrusive_ptr<Store> clone() override;
    void set(const std::string& key, const std::vector<uint8_t>& value) override;
    std::vector<uint8_t> compareSet(const std::string& key, const std::vector<uint8_t>& current,
                                    const std::vector<uint8_t>& wanted) override;
    std::vector<uint8_t> get(const std::string& key) override;
    int64_t add(const std::string& key, int64_t value) override;
    bool deleteKey(const std::string& key) override;
    bool check(const std::vector<std::string>& keys) override;
    int64_t getNumKeys() override;
    void wait(const std::vector<std::string>& keys) override;
    void wait(const std::vector<std::string>& keys,
              const std::chrono::milliseconds& timeout) override;
    void append(const std::string& key, const std::vector<uint8_t>& value) override;
    std::vector<std::vector<uint8_t>> multiGet(const std::vector<std::string>& keys) override;
    void multiSet(const std::vector<std::string>& keys,
                  const std::vector<std::vector<uint8_t>>& values) override;
    bool hasExtendedApi() const override { return true; }
    std::vector<std::string> listKeys() override;

  private:
    StoreReply call(StoreRequest request);

    const std::shared_ptr<StoreCaller> caller_;
};

}  // namespace ailab::dist
