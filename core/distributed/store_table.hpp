#pragma once
// The job's key-value table. Rank 0 has it; the others ask for it over the control channel.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ailab::dist {

/// c10d::Store's calls, each with as many keys, values and the number that it takes.
struct StoreRequest {
    enum Call : int64_t {
        set,
        compare_set,
        get,
        wait,
        add,
        erase,
        check,
        count,
        append,
        list,
        last
    };
    Call call = check;
    /// get, wait: all of them must be there, or come, before there is a reply.
    std::vector<std::string> keys;
    std::vector<std::string> values;
    int64_t number = 0;

    std::string encode() const;
    /// Throws ProtocolError.
    static StoreRequest decode(std::string_view bytes);
};

struct StoreReply {
    std::vector<std::string> values;
    int64_t number = 0;

    std::string encode() const;
    /// Throws ProtocolError.
    static StoreReply decode(std::string_view bytes);
};

/// Who answers the requests of this rank. Thread-safe.
class StoreCaller {
  public:
    virtual ~StoreCaller() = default;
    /// Waits for the reply. Throws c10::DistStoreError when it does not come within `limit` (0: no
    /// limit), and after close().
    virtual StoreReply call(const StoreRequest& request, std::chrono::milliseconds limit) = 0;
};

/// The table itself, with rank 0's own way to it. Thread-safe.
class StoreTable final : public StoreCaller {
  public:
    StoreReply call(const StoreRequest& request, std::chrono::milliseconds limit) override;
    /// The reply, or nothing while a key that it needs is not there. Never waits.
    std::optional<StoreReply> attempt(const StoreRequest& request);
    /// `changed` is called after each change by call(), in which others' requests may be waiting.
    void on_change(std::function<void()> changed);

  private:
    std::optional<StoreReply> apply(const StoreRequest& request);

    std::mutex mutex_;
    std::condition_variable added_;
    std::map<std::string, std::string> values_;  // guarded by mutex_
    std::function<void()> changed_;              // guarded by mutex_
};

/// What the other ranks have in place of the table: requests go out, replies come in, in any order.
class StoreClient final : public StoreCaller {
  public:
    StoreReply call(const StoreRequest& request, std::chrono::milliseconds limit) override;

    // For the channel's thread.
    /// `wake` asks it to take_requests().
    void on_request(std::function<void()> wake);
    /// Payloads of frames that were not taken yet.
    std::vector<std::string> take_requests();
    void take_reply(std::string_view payload);
    /// From now on nobody answers: who waits, and who asks, gets an error.
    void close();

  private:
    std::mutex mutex_;
    std::condition_variable replied_;
    std::function<void()> wake_;                          // guarded by mutex_
    std::vector<std::string> requests_;                   // guarded by mutex_
    std::map<int64_t, std::optional<StoreReply>> waits_;  // guarded by mutex_
    int64_t next_ = 0;                                    // guarded by mutex_
    bool closed_ = false;                                 // guarded by mutex_
};

/// A request on its way, with the number that its reply carries.
struct NumberedRequest {
    int64_t number = 0;
    StoreRequest request;
    static NumberedRequest decode(std::string_view payload);
};
std::string encode_reply(int64_t number, const StoreReply& reply);

}  // namespace ailab::dist
