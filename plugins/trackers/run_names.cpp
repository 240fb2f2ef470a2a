#include "run_names.hpp"

#include <chrono>
#include <random>
#include <string_view>

namespace ailab {

double unix_time() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string time_text(time_t time) {
    tm local{};
    localtime_r(&time, &local);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%d_%H%M%S", &local);
    return text;
}

std::string random_run_id() {
    constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyz0123456789";
    constexpr size_t length = 8;
    std::random_device random;
    std::uniform_int_distribution<size_t> place(0, characters.size() - 1);
    std::string id;
    while (id.size() < length) id += characters[place(random)];
    return id;
}

}  // namespace ailab
