#pragma once
// A backend whose collectives go through the store: slow, and enough to test what is built on them.
#include "ailab/backend.hpp"

namespace ailab::test {

class StoreBackend final : public Backend {
  public:
    Availability available(const RankInfo&, c10::DeviceType) const override { return {"", 1}; }
    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>& store,
                                             c10::Device device) override;
    /// Says so on stdout.
    void shutdown() override;
};

}  // namespace ailab::test
