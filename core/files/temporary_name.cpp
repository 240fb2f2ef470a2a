#include "temporary_name.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"

namespace ailab {
namespace {

constexpr std::string_view mark = ".tmp-";
constexpr std::string_view aside = "-old";

uint32_t host_number() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return crc32c(name.data(), std::string_view(name.data()).size());
}

}  // namespace

std::string temporary_name(const std::string& path) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    char id[64];
    std::snprintf(id, sizeof id, "%llx-%x-%x",
                  static_cast<unsigned long long>(
                      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()),
                  unsigned(getpid()), unsigned(host_number()));
    return concat(path, mark, id);
}

std::string set_aside_name(const std::string& temporary) {
    return concat(temporary, aside);
}

bool is_temporary_name(const std::string& name) {
    const size_t at = name.rfind(mark);
    if (at == std::string::npos) return false;
    std::string_view id = std::string_view(name).substr(at + mark.size());
    if (id.ends_with(aside)) id.remove_suffix(aside.size());
    return !id.empty() && id.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

std::string name_before_set_aside(const std::string& path) {
    const size_t at = path.rfind(mark);
    return at != std::string::npos && path.ends_with(aside) ? path.substr(0, at) : "";
}

std::optional<int64_t> writer_on_this_host(const std::string& name) {
    const size_t at = name.rfind(mark);
    if (at == std::string::npos) return std::nullopt;
    const char* const end = name.data() + name.size();
    uint64_t moment = 0, process = 0, host = 0;
    auto read = std::from_chars(name.data() + at + mark.size(), end, moment, 16);
    for (uint64_t* number : {&process, &host}) {
        if (read.ec != std::errc() || read.ptr == end || *read.ptr != '-') return std::nullopt;
        read = std::from_chars(read.ptr + 1, end, *number, 16);
    }
    if (read.ec != std::errc() || host != host_number()) return std::nullopt;
    return int64_t(process);
}

}  // namespace ailab
