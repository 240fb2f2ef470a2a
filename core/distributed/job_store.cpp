#include "job_store.hpp"

namespace ailab::dist {
namespace {

std::string to_text(const std::vector<uint8_t>& bytes) {
    return {bytes.begin(), bytes.end()};
}

std::vector<uint8_t> to_bytes(const std::string& text) {
    return {text.begin(), text.end()};
}

}  // namespace

StoreReply JobStore::call(StoreRequest request) {
    return caller_->call(request, getTimeout());
}

c10::intrusive_ptr<c10d::Store> JobStore::clone() {
    auto twin = c10::make_intrusive<JobStore>(caller_);
    twin->setTimeout(getTimeout());
    return twin;
}

void JobStore::set(const std::string& key, const std::vector<uint8_t>& value) {
    call({StoreRequest::set, {key}, {to_text(value)}});
}

std::vector<uint8_t> JobStore::compareSet(const std::string& key,
                                          const std::vector<uint8_t>& current,
                                          const std::vector<uint8_t>& wanted) {
    return to_bytes(
        call({StoreRequest::compare_set, {key}, {to_text(current), to_text(wanted)}}).values.at(0));
}

std::vector<uint8_t> JobStore::get(const std::string& key) {
    return to_bytes(call({StoreRequest::get, {key}, {}}).values.at(0));
}

int64_t JobStore::add(const std::string& key, int64_t value) {
    return call({StoreRequest::add, {key}, {}, value}).number;
}

bool JobStore::deleteKey(const std::string& key) {
    return call({StoreRequest::erase, {key}, {}}).number != 0;
}

bool JobStore::check(const std::vector<std::string>& keys) {
    return call({StoreRequest::check, keys, {}}).number != 0;
}

int64_t JobStore::getNumKeys() {
    return call({StoreRequest::count, {}, {}}).number;
}

void JobStore::wait(const std::vector<std::string>& keys) {
    wait(keys, getTimeout());
}

void JobStore::wait(const std::vector<std::string>& keys,
                    const std::chrono::milliseconds& timeout) {
    caller_->call({StoreRequest::wait, keys, {}}, timeout);
}

void JobStore::append(const std::string& key, const std::vector<uint8_t>& value) {
    call({StoreRequest::append, {key}, {to_text(value)}});
}

std::vector<std::vector<uint8_t>> JobStore::multiGet(const std::vector<std::string>& keys) {
    std::vector<std::vector<uint8_t>> values;
    for (const std::string& value : call({StoreRequest::get, keys, {}}).values)
        values.push_back(to_bytes(value));
    return values;
}

void JobStore::multiSet(const std::vector<std::string>& keys,
                        const std::vector<std::vector<uint8_t>>& values) {
    StoreRequest request{StoreRequest::set, keys, {}};
    for (const std::vector<uint8_t>& value : values) request.values.push_back(to_text(value));
    call(std::move(request));
}

std::vector<std::string> JobStore::listKeys() {
    return call({StoreRequest::list, {}, {}}).values;
}

}  // namespace ailab::dist
