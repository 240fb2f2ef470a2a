#include "start_thread.hpp"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/support/signals_blocked.hpp"

namespace ailab {

std::thread start_thread(const char* name, std::function<void()> body) {
    const SignalsBlocked blocked;
    std::thread thread;
    try {
        thread = std::thread(std::move(body));
    } catch (const std::system_error& error) {
        throw std::system_error(
            error.code(), concat("cannot start the thread ", name,
                                 "; a higher limit of processes is needed (ulimit -u, pids.max)"));
    }
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace ailab
