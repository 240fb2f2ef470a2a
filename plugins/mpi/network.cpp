#include "network.hpp"

#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "ailab/log.hpp"

namespace ailab::mpi {
namespace {

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    return value ? value : "";
}

/// The value of `btl` in a file of OpenMPI's parameters, if it is set there.
std::optional<std::string> btl_in(const std::string& path) {
    std::optional<std::string> value;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        line = line.substr(0, line.find('#'));
        const size_t equals = line.find('=');
        std::string name;
        if (equals == std::string::npos || !(std::istringstream(line) >> name)) continue;
        name = name.substr(0, name.find('='));
        if (name != "btl") continue;
        value.emplace();
        std::istringstream(line.substr(equals + 1)) >> *value;
    }
    return value;
}

/// "^uct,openib" becomes "^tcp,uct,openib"; of "self,tcp,vader" tcp goes.
std::string without_tcp(const std::string& list) {
    if (list.empty()) return "^tcp";
    if (list[0] == '^') return "^tcp," + list.substr(1);
    std::string kept;
    std::istringstream names(list);
    for (std::string name; std::getline(names, name, ',');)
        if (name != "tcp") kept += (kept.empty() ? "" : ",") + name;
    return kept;
}

/// 0 where there is no such folder.
double free_megabytes(const std::string& folder) {
    struct statvfs info = {};
    if (statvfs(folder.c_str(), &info) != 0) return 0;
    return double(info.f_bavail) * double(info.f_frsize) / (1 << 20);
}

}  // namespace

void leave_out_what_seccomp_forbids() {
    char from = 1, to = 0;
    const iovec here{&to, 1}, there{&from, 1};
    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != 1)
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", /*overwrite=*/0);
}

void avoid_small_shared_memory() {
    constexpr double megabytes_a_rank = 4.5;  // btl_vader_segment_size, and what lies around it
    const char* const place = "OMPI_MCA_btl_vader_backing_directory";
    const int ranks = std::atoi(variable("OMPI_COMM_WORLD_LOCAL_SIZE").c_str());
    const double needed = ranks * megabytes_a_rank;
    const double there = free_megabytes("/dev/shm");
    // Where /dev/shm cannot be written to OpenMPI takes another folder itself.
    if (ranks < 2 || there >= needed || !variable(place).empty() || access("/dev/shm", W_OK) != 0)
        return;
    const std::string given = variable("TMPDIR");
    const std::string folder = given.empty() ? "/tmp" : given;
    if (free_megabytes(folder) < needed) return;  // OpenMPI says what is missing
    setenv(place, folder.c_str(), /*overwrite=*/0);
    if (variable("OMPI_COMM_WORLD_LOCAL_RANK") == "0")
        log_info("mpi: /dev/shm has ", int64_t(there), " MB free, and ", ranks, " ranks need ",
                 int64_t(needed), ": they talk through files in ", folder,
                 " (a container: docker run --shm-size=1g)");
}

void leave_out_tcp_on_one_host() {
    const std::string size = variable("OMPI_COMM_WORLD_SIZE");
    if (size.empty() || size != variable("OMPI_COMM_WORLD_LOCAL_SIZE")) return;
    if (!variable("OMPI_MCA_btl").empty()) return;
    if (btl_in(variable("HOME") + "/.openmpi/mca-params.conf")) return;
    // Where distributions have the host's defaults; the variable hides what is there.
    std::string list;
    for (const char* path :
         {"/etc/openmpi/openmpi-mca-params.conf", "/usr/local/etc/openmpi-mca-params.conf"})
        if (const auto value = btl_in(path)) {
            list = *value;
            break;
        }
    const std::string rest = without_tcp(list);
    if (!rest.empty()) setenv("OMPI_MCA_btl", rest.c_str(), /*overwrite=*/0);
}

}  // namespace ailab::mpi
