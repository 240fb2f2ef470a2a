#include "collective.hpp"

#include <ATen/core/Tensor.h>

#include <array>
#include <atomic>
#include <sstream>

namespace ailab::dist {
namespace {

std::atomic<bool> failed{false};

/// Written by its thread alone.
struct WaitSlot {
    std::atomic<const char*> what{nullptr};
    std::atomic<uint64_t> number{0};
};
std::array<WaitSlot, 2> slots;

WaitSlot& slot_of(InCollective::Thread thread) noexcept {
    return slots[size_t(thread)];
}

}  // namespace

InCollective::InCollective(const char* what, Thread thread) noexcept : thread_(thread) {
    WaitSlot& slot = slot_of(thread);
    slot.number.store(slot.number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    slot.what.store(what, std::memory_order_relaxed);
}

InCollective::~InCollective() {
    slot_of(thread_).what.store(nullptr, std::memory_order_relaxed);
}

InCollective::State InCollective::now(Thread thread) noexcept {
    const WaitSlot& slot = slot_of(thread);
    return {slot.what.load(std::memory_order_relaxed), slot.number.load(std::memory_order_relaxed)};
}

std::string describe(const at::Tensor& tensor) {
    std::ostringstream text;
    text << tensor.sizes() << " " << tensor.scalar_type();
    return text.str();
}

void check_parts(const char* name, const at::Tensor& whole, const at::Tensor& piece, int ranks) {
    if (whole.numel() == piece.numel() * ranks && whole.scalar_type() == piece.scalar_type() &&
        whole.device() == piece.device())
        return;
    throw Error(concat(name, ": the whole, ", describe(whole), ", must have the dtype and the ",
                       "device of the piece, ", describe(piece), ", and ", ranks,
                       " times its elements"));
}

CollectiveError::CollectiveError(const std::string& text) : Error(text) {
    failed = true;
}

bool collective_failed() noexcept {
    return failed;
}

}  // namespace ailab::dist
