// Stands first in all that is compiled for ThreadSanitizer. libstdc++ 12 has a std::timed_mutex
// wait by pthread_mutex_clocklock, which clang's run-time does not know: it would see the unlock
// alone. (libstdc++ 13 leaves it out by itself under this sanitizer.)
#pragma once
#include <cstddef>  // any of libstdc++: what it is configured for

#undef _GLIBCXX_USE_PTHREAD_MUTEX_CLOCKLOCK
