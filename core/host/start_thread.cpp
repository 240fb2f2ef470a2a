#include "start_thread.hpp"

#include <pthread.h>

#include <utility>

#include "ailab/signals_blocked.hpp"

namespace ailab {

std::thread start_thread(const char* name, std::function<void()> body) {
    const SignalsBlocked blocked;
    std::thread thread(std::move(body));
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace ailab
