#include "init_method.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "ailab/error.hpp"
#include "environment.hpp"

namespace ailab::dist {
namespace {

ConfigError wrong(const std::string& init_method, const std::string& why) {
    return ConfigError(concat("dist.init_method: \"", init_method, "\" ", why,
                              "; give env://, tcp://<host>:<port> or file:///<absolute path>"));
}

bool read_port(const std::string& text, uint16_t& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0;
}

StoreAddress from_tcp(const std::string& init_method, std::string rest) {
    const size_t colon = rest.rfind(':');
    StoreAddress address{.source = concat("dist.init_method ", init_method)};
    if (colon == std::string::npos || !read_port(rest.substr(colon + 1), address.port))
        throw wrong(init_method, "has no port from 1 to 65535");
    address.host = rest.substr(0, colon);
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']')
        address.host = address.host.substr(1, address.host.size() - 2);
    else if (address.host.find(':') != std::string::npos)
        throw wrong(init_method, "holds an IPv6 address without brackets");
    if (address.host.empty() || address.host.find_first_of("/?@ ") != std::string::npos)
        throw wrong(init_method, "has no host name");
    return address;
}

AddressFile from_file(const std::string& init_method, const std::string& path) {
    if (path.size() < 2 || path.front() != '/')
        throw wrong(init_method, "has no absolute path (three slashes: file:///tmp/job)");
    struct stat status {};
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
        throw wrong(init_method, concat("is in a folder that does not exist: ", folder));
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
        throw wrong(init_method, "exists and is not a file");
    return {path, concat("file ", path), concat("dist.init_method ", init_method)};
}

uint16_t master_port() {
    const std::string text = *environment("MASTER_PORT");
    uint16_t port = 0;
    if (!read_port(text, port))
        throw ConfigError(concat("environment: MASTER_PORT is \"", text,
                                 "\"; it must be a port from 1 to 65535"));
    return port;
}

StoreAddress from_master_variables() {
    StoreAddress address{.host = *environment("MASTER_ADDR"),
                         .port = master_port(),
                         .source = "MASTER_ADDR and MASTER_PORT"};
    if (environment("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True") {
        address.rank0_serves = false;
        // The agent's store lives on when it restarts the workers.
        address.prefix =
            concat("ailab/attempt_", environment("TORCHELASTIC_RESTART_COUNT").value_or("0"));
    }
    return address;
}

/// The same for all ranks of this mpirun on this host, and for no other mpirun.
std::string mpirun_key() {
    const char* const variables[] = {"PMIX_NAMESPACE", "PMIX_SERVER_URI3", "PMIX_SERVER_URI41",
                                     "OMPI_MCA_orte_hnp_uri"};
    std::string key = concat("mpirun of user ", uint64_t(::geteuid()));
    if (!environment("PMIX_NAMESPACE")) {
        // Variables set by hand: the ranks share their parent.
        std::ifstream file(concat("/proc/", int(::getppid()), "/stat"));
        const std::string stat((std::istreambuf_iterator<char>(file)), {});
        std::istringstream fields(stat.substr(stat.rfind(')') + 1));
        std::string field;
        for (int i = 3; i <= 22; ++i) fields >> field;  // 22: the start time
        return concat(key, " under process ", int(::getppid()), " started at ", field);
    }
    for (const char* variable : variables) key += concat(" ", environment(variable).value_or("-"));
    return key;
}

AddressFile mpirun_file() {
    const std::string key = mpirun_key();
    const std::string folder =
        ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : environment("TMPDIR").value_or("/tmp");
    char name[64];
    std::snprintf(name, sizeof name, "/ailab-%lu-%016zx", static_cast<unsigned long>(::geteuid()),
                  std::hash<std::string>()(key));
    return {folder + name, key, "dist.init_method env:// under mpirun"};
}

std::string slurm_host() {
    for (const char* variable : {"SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST"})
        if (const auto nodes = environment(variable)) {
            const std::string host = first_slurm_host(*nodes);
            return host == *nodes ? "127.0.0.1" : host;  // a single node
        }
    for (const char* variable : {"SLURM_STEP_NUM_NODES", "SLURM_NNODES"})
        if (environment(variable).value_or("") == "1") return "127.0.0.1";
    throw ConfigError(
        "dist.init_method env:// under Slurm: SLURM_NODELIST is not set, so it is unknown where "
        "rank 0 runs; set MASTER_ADDR, or give dist.init_method tcp://<host of rank 0>:<port>");
}

uint16_t slurm_port() {
    const std::string text = environment("SLURM_JOB_ID").value_or("");
    uint64_t job = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), job);
    if (error != std::errc() || end != text.data() + text.size())
        throw ConfigError(concat("dist.init_method env:// under Slurm: SLURM_JOB_ID is \"", text,
                                 "\", no number to derive a port from; set MASTER_PORT"));
    // Below the ports that the kernel gives to outgoing connections.
    return uint16_t(20'000 + job % 12'000);
}

StoreAddress from_slurm_variables() {
    return {.host = environment("MASTER_ADDR") ? *environment("MASTER_ADDR") : slurm_host(),
            .port = environment("MASTER_PORT") ? master_port() : slurm_port(),
            .rank0_serves = true,
            .prefix = {},
            .source = "Slurm's variables"};
}

MeetingPlace from_environment(const Placement& placement) {
    const bool address = environment("MASTER_ADDR").has_value();
    const bool port = environment("MASTER_PORT").has_value();
    if (address && port) return from_master_variables();
    if (placement.launcher == "slurm") return from_slurm_variables();
    if (address || port)
        throw ConfigError(concat(
            "dist.init_method env://: ", address ? "MASTER_ADDR" : "MASTER_PORT", " is set, but ",
            address ? "MASTER_PORT" : "MASTER_ADDR", " is not; set both or neither"));
    if (placement.launcher != "mpirun")
        throw ConfigError(
            "dist.init_method env://: RANK and WORLD_SIZE are set, but MASTER_ADDR and MASTER_PORT "
            "are not; set them to where rank 0 runs and a free port there, or start with mpirun");
    if (placement.one_host()) return mpirun_file();
    return AddressByBroadcast{};
}

}  // namespace

std::string first_slurm_host(const std::string& nodes) {
    std::string host;
    for (size_t i = 0; i < nodes.size() && nodes[i] != ','; ++i) {
        if (nodes[i] != '[') {
            host += nodes[i];
            continue;
        }
        const size_t close = nodes.find(']', i);
        const size_t stop = nodes.find_first_of(",-]", i);
        if (close == std::string::npos) break;
        host += nodes.substr(i + 1, stop - i - 1);
        i = close;
    }
    return host;
}

MeetingPlace meeting_place(const std::string& init_method, const Placement& placement) {
    const std::string tcp = "tcp://", file = "file://";
    if (init_method == "env://") return from_environment(placement);
    if (init_method.starts_with(tcp)) return from_tcp(init_method, init_method.substr(tcp.size()));
    if (init_method.starts_with(file))
        return from_file(init_method, init_method.substr(file.size()));
    throw wrong(init_method, "is not known");
}

}  // namespace ailab::dist
