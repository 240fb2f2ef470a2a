// The job's store: what LibTorch's backends expect of one.
#include "distributed/job_store.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <future>
#include <thread>

#include "ailab/error.hpp"
#include "distributed/frames.hpp"

namespace ailab::test {
namespace {

using namespace dist;  // NOLINT: the tests of its internals
using std::chrono::milliseconds;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

/// A rank's store and rank 0's, joined by a thread in place of the control channel.
class TwoRanks {
  public:
    TwoRanks() {
        table_->on_change([this] { work_.notify_one(); });
        client_->on_request([this] { work_.notify_one(); });
        channel_ = std::thread([this] { carry(); });
    }
    ~TwoRanks() {
        stop_ = true;
        channel_.join();
        client_->close();
        table_->on_change({});
    }
    StorePtr rank0() const { return c10::make_intrusive<JobStore>(table_); }
    StorePtr rank1() const { return c10::make_intrusive<JobStore>(client_); }
    StoreClient& client() { return *client_; }

  private:
    void carry() {
        std::vector<NumberedRequest> waiting;
        while (!stop_) {
            for (const std::string& payload : client_->take_requests())
                waiting.push_back(NumberedRequest::decode(payload));
            std::erase_if(waiting, [this](const NumberedRequest& asked) {
                const auto reply = table_->attempt(asked.request);
                if (reply) client_->take_reply(encode_reply(asked.number, *reply));
                return reply.has_value();
            });
            std::unique_lock lock(mutex_);
            work_.wait_for(lock, milliseconds(2));
        }
    }

    const std::shared_ptr<StoreTable> table_ = std::make_shared<StoreTable>();
    const std::shared_ptr<StoreClient> client_ = std::make_shared<StoreClient>();
    std::mutex mutex_;
    std::condition_variable work_;
    std::atomic<bool> stop_{false};
    std::thread channel_;
};

/// What a sequence of calls gives.
std::string story(c10d::Store& store) {
    std::string told;
    const auto tell = [&](const auto& value) { told += concat(value, "\n"); };
    tell(store.check({"a"}));
    store.set("a", "1");
    store.set("binary", std::string("\0\xff\n", 3));
    tell(store.get_to_str("a"));
    tell(store.get_to_str("binary"));
    tell(store.check({"a", "binary"}));
    tell(store.check({"a", "b"}));
    store.set("a", "2");
    tell(store.get_to_str("a"));
    tell(store.compareSet("a", "2", "3"));
    tell(store.compareSet("a", "2", "4"));
    tell(store.compareSet("fresh", "", "5"));
    tell(store.compareSet("absent", "x", "5"));
    tell(store.check({"fresh"}));
    tell(store.check({"absent"}));
    tell(store.add("count", 5));
    tell(store.add("count", -7));
    tell(store.get_to_str("count"));
    tell(store.deleteKey("a"));
    tell(store.deleteKey("a"));
    tell(store.getNumKeys());
    store.append("list", {'x'});
    store.append("list", {'y', 'z'});
    tell(store.get_to_str("list"));
    store.multiSet({"m1", "m2"}, {{'p'}, {}});
    for (const auto& value : store.multiGet({"m2", "m1", "list"}))
        tell(std::string(value.begin(), value.end()));
    store.wait({"m1", "m2"});
    return told;
}

TEST(JobStore, DoesAsLibTorchsStoreOfOneProcess) {
    const auto reference = c10::make_intrusive<c10d::HashStore>();
    const std::string expected = story(*reference);
    EXPECT_EQ(story(*TwoRanks().rank0()), expected);
    EXPECT_EQ(story(*TwoRanks().rank1()), expected);
    const TwoRanks cloned;
    EXPECT_EQ(story(*cloned.rank1()->clone()), expected);
}

TEST(JobStore, RanksSeeEachOthersKeys) {
    TwoRanks ranks;
    ranks.rank0()->set("from0", "a");
    EXPECT_EQ(ranks.rank1()->get_to_str("from0"), "a");
    ranks.rank1()->set("from1", "b");
    EXPECT_EQ(ranks.rank0()->get_to_str("from1"), "b");
}

TEST(JobStore, WaitsForAKeyThatComes) {
    TwoRanks ranks;
    for (const bool first_waits : {true, false}) {
        const StorePtr waits = first_waits ? ranks.rank0() : ranks.rank1();
        const StorePtr sets = first_waits ? ranks.rank1() : ranks.rank0();
        const std::string key = concat("late", first_waits);
        auto got = std::async(std::launch::async, [&] { return waits->get_to_str(key); });
        std::this_thread::sleep_for(milliseconds(20));
        sets->set(key, "here");
        EXPECT_EQ(got.get(), "here");
    }
}

TEST(JobStore, AWaitingCallKeepsNoOther) {
    TwoRanks ranks;
    const StorePtr store = ranks.rank1();
    auto waits = std::async(std::launch::async, [&] { return store->get_to_str("late"); });
    std::this_thread::sleep_for(milliseconds(20));
    store->set("other", "1");
    EXPECT_EQ(store->get_to_str("other"), "1");
    store->set("late", "2");
    EXPECT_EQ(waits.get(), "2");
}

TEST(JobStore, SaysWhichKeyDidNotCome) {
    TwoRanks ranks;
    for (const StorePtr& store : {ranks.rank0(), ranks.rank1()}) try {
            store->wait({"never"}, milliseconds(30));
            FAIL() << "no error";
        } catch (const c10::DistStoreError& error) {
            EXPECT_NE(std::string(error.what()).find("never did not come within 0.03 s"),
                      std::string::npos)
                << error.what();
        }
}

TEST(JobStore, OfAJobThatIsOverIsAnError) {
    TwoRanks ranks;
    const StorePtr store = ranks.rank1();
    auto waits = std::async(std::launch::async, [&] { store->get_to_str("never"); });
    std::this_thread::sleep_for(milliseconds(20));
    ranks.client().close();
    EXPECT_THROW(waits.get(), c10::DistStoreError);
    EXPECT_THROW(store->set("a", "1"), c10::DistStoreError);
}

TEST(JobStore, RequestsThatMakeNoSenseAreRefused) {
    using Request = StoreRequest;
    const Request table[] = {{Request::set, {"a"}, {}},
                             {Request::set, {}, {"1"}},
                             {Request::compare_set, {"a"}, {"1"}},
                             {Request::add, {}, {}, 1},
                             {Request::erase, {}, {}},
                             {Request::append, {"a"}, {}},
                             {Request::last, {"a"}, {}},
                             {Request::Call(-1), {}, {}},
                             {Request::Call(99), {}, {}}};
    for (const Request& request : table)
        EXPECT_THROW(Request::decode(request.encode()), ProtocolError) << int(request.call);
    const std::string right = Request{Request::set, {"key"}, {"value"}}.encode();
    for (size_t size = 0; size < right.size(); ++size)
        EXPECT_THROW(Request::decode(right.substr(0, size)), ProtocolError) << size;
    EXPECT_THROW(Request::decode(right + "x"), ProtocolError);
}

}  // namespace
}  // namespace ailab::test
