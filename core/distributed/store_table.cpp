#include "store_table.hpp"

#include <c10/util/Exception.h>

#include <algorithm>
#include <charconv>

#include "ailab/error.hpp"
#include "frames.hpp"

namespace ailab::dist {
namespace {

using Limit = std::chrono::milliseconds;

/// Waits on `condition` until `ready`. False when `limit` is over.
template <class Ready>
bool wait_within(std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
                 Limit limit, Ready ready) {
    if (limit.count() > 0) return condition.wait_for(lock, limit, ready);
    condition.wait(lock, ready);
    return true;
}

[[noreturn]] void timed_out(const StoreRequest& request, Limit limit) {
    C10_THROW_ERROR(DistStoreError, concat("the keys ", join(request.keys), " did not come within ",
                                           double(limit.count()) / 1000, " s"));
}

bool changes(const StoreRequest& request) {
    switch (request.call) {
        case StoreRequest::set:
        case StoreRequest::compare_set:
        case StoreRequest::add:
        case StoreRequest::append:
            return true;
        default:
            return false;
    }
}

int64_t to_number(const std::string& text) {
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::string StoreRequest::encode() const {
    return PayloadWriter().number(call).texts(keys).texts(values).number(number).bytes();
}

StoreRequest StoreRequest::decode(std::string_view bytes) {
    PayloadReader reader(bytes);
    StoreRequest request;
    const int64_t call = reader.number();
    request.keys = reader.texts();
    request.values = reader.texts();
    request.number = reader.number();
    const size_t keys = request.keys.size(), values = request.values.size();
    const bool right = call >= 0 && call < last && reader.empty() &&
                       (call != set || keys == values) &&
                       (call != compare_set || (keys == 1 && values == 2)) &&
                       ((call != add && call != erase) || keys == 1) &&
                       (call != append || (keys == 1 && values == 1));
    if (!right) throw ProtocolError("no request that the store knows");
    request.call = Call(call);
    return request;
}

std::string StoreReply::encode() const {
    return PayloadWriter().texts(values).number(number).bytes();
}

StoreReply StoreReply::decode(std::string_view bytes) {
    PayloadReader reader(bytes);
    StoreReply reply;
    reply.values = reader.texts();
    reply.number = reader.number();
    return reply;
}

NumberedRequest NumberedRequest::decode(std::string_view payload) {
    PayloadReader reader(payload);
    const int64_t number = reader.number();
    return {number, StoreRequest::decode(payload.substr(sizeof number))};
}

std::string encode_reply(int64_t number, const StoreReply& reply) {
    return PayloadWriter().number(number).bytes() + reply.encode();
}

// ---- rank 0

std::optional<StoreReply> StoreTable::apply(const StoreRequest& request) {
    const auto there = [this](const std::string& key) { return values_.contains(key); };
    const auto& keys = request.keys;
    StoreReply reply;
    switch (request.call) {
        case StoreRequest::set:
            for (size_t i = 0; i < keys.size(); ++i) values_[keys[i]] = request.values[i];
            break;
        case StoreRequest::compare_set: {
            // As c10d::TCPStore: an absent key is set when "" is expected, and else stays absent.
            const auto found = values_.find(keys[0]);
            const std::string& expected = request.values[0];
            if (found == values_.end() && !expected.empty()) {
                reply.values = {expected};
                break;
            }
            std::string& value = values_[keys[0]];
            if (value == expected) value = request.values[1];
            reply.values = {value};
            break;
        }
        case StoreRequest::get:
            if (!std::all_of(keys.begin(), keys.end(), there)) return std::nullopt;
            for (const std::string& key : keys) reply.values.push_back(values_[key]);
            break;
        case StoreRequest::wait:
            if (!std::all_of(keys.begin(), keys.end(), there)) return std::nullopt;
            break;
        case StoreRequest::add:
            reply.number = request.number + (there(keys[0]) ? to_number(values_[keys[0]]) : 0);
            values_[keys[0]] = std::to_string(reply.number);
            break;
        case StoreRequest::erase:
            reply.number = int64_t(values_.erase(keys[0]));
            break;
        case StoreRequest::check:
            reply.number = std::all_of(keys.begin(), keys.end(), there);
            break;
        case StoreRequest::count:
            reply.number = int64_t(values_.size());
            break;
        case StoreRequest::append:
            values_[keys[0]] += request.values[0];
            break;
        case StoreRequest::list:
            for (const auto& [key, value] : values_) reply.values.push_back(key);
            break;
        case StoreRequest::last:
            break;
    }
    return reply;
}

std::optional<StoreReply> StoreTable::attempt(const StoreRequest& request) {
    const std::lock_guard lock(mutex_);
    std::optional<StoreReply> reply = apply(request);
    added_.notify_all();
    return reply;
}

StoreReply StoreTable::call(const StoreRequest& request, Limit limit) {
    std::unique_lock lock(mutex_);
    std::optional<StoreReply> reply;
    if (!wait_within(added_, lock, limit, [&] { return bool(reply = apply(request)); }))
        timed_out(request, limit);
    added_.notify_all();
    if (changed_ && changes(request)) changed_();
    return std::move(*reply);
}

void StoreTable::on_change(std::function<void()> changed) {
    const std::lock_guard lock(mutex_);
    changed_ = std::move(changed);
}

// ---- the other ranks

StoreReply StoreClient::call(const StoreRequest& request, Limit limit) {
    std::unique_lock lock(mutex_);
    const int64_t number = next_++;
    requests_.push_back(PayloadWriter().number(number).bytes() + request.encode());
    waits_[number];
    if (wake_) wake_();
    const bool in_time =
        wait_within(replied_, lock, limit, [&] { return waits_[number].has_value() || closed_; });
    std::optional<StoreReply> reply = std::move(waits_[number]);
    waits_.erase(number);
    if (reply) return std::move(*reply);
    if (in_time) C10_THROW_ERROR(DistStoreError, "the job is over");
    timed_out(request, limit);
}

void StoreClient::on_request(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
}

std::vector<std::string> StoreClient::take_requests() {
    const std::lock_guard lock(mutex_);
    return std::exchange(requests_, {});
}

void StoreClient::take_reply(std::string_view payload) {
    PayloadReader reader(payload);
    const int64_t number = reader.number();
    StoreReply reply = StoreReply::decode(payload.substr(sizeof number));
    const std::lock_guard lock(mutex_);
    const auto found = waits_.find(number);
    if (found == waits_.end()) return;  // nobody waits for it any more
    found->second = std::move(reply);
    replied_.notify_all();
}

void StoreClient::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_ = {};
    replied_.notify_all();
}

}  // namespace ailab::dist
