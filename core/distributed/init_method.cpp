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
#include "launcher.hpp"
#include "net.hpp"

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

/// In the user's own folder, under a name that all ranks of the job find and no other job does.
AddressFile private_file(const std::string& key, const std::string& source, uint16_t port) {
    char name[32];
    std::snprintf(name, sizeof name, "/meet-%016zx", std::hash<std::string>()(key));
    AddressFile file{.paths = {},
                     .key = key,
                     .source = source,
                     .port = port,
                     .in_private_folder = true,
                     .one_host = true};
    for (const std::string& folder : private_folders()) file.paths.push_back(folder + name);
    return file;
}

/// Of ranks whose launcher does not say how many of them share the host.
bool means_this_host(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

bool share_one_host(const RankInfo& rank_info, const std::string& host) {
    if (rank_info.local_size != unknown_local_size) return rank_info.one_host();
    return means_this_host(host);
}

/// On one host the port still tells the job from others, but what matters goes through a file.
MeetingPlace at_address(HubAddress address, const RankInfo& rank_info) {
    if (!share_one_host(rank_info, address.host)) return address;
    return private_file(concat("port ", address.port, " of ", host_id()), address.source,
                        address.port);
}

MeetingPlace from_tcp(const std::string& init_method, std::string rest, const RankInfo& rank_info) {
    const size_t colon = rest.rfind(':');
    HubAddress address{.host = {}, .source = concat("dist.init_method ", init_method)};
    if (colon == std::string::npos || !read_port(rest.substr(colon + 1), address.port))
        throw wrong(init_method, "has no port from 1 to 65535");
    address.host = rest.substr(0, colon);
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']')
        address.host = address.host.substr(1, address.host.size() - 2);
    else if (address.host.find(':') != std::string::npos)
        throw wrong(init_method, "holds an IPv6 address without brackets");
    if (address.host.empty() || address.host.find_first_of("/?@ ") != std::string::npos)
        throw wrong(init_method, "has no host name");
    return at_address(std::move(address), rank_info);
}

AddressFile from_file(const std::string& init_method, const std::string& path,
                      const RankInfo& rank_info) {
    if (path.size() < 2 || path.front() != '/')
        throw wrong(init_method, "has no absolute path (three slashes: file:///tmp/job)");
    struct stat status {};
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
        throw wrong(init_method, concat("is in a folder that does not exist: ", folder));
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
        throw wrong(init_method, "exists and is not a file");
    return {.paths = {path},
            .key = concat("file ", path),
            .source = concat("dist.init_method ", init_method),
            .one_host = rank_info.one_host()};
}

uint16_t master_port() {
    const std::string text = *environment("MASTER_PORT");
    uint16_t port = 0;
    if (!read_port(text, port))
        throw ConfigError(concat("environment: MASTER_PORT is \"", text,
                                 "\"; it must be a port from 1 to 65535"));
    return port;
}

MeetingPlace from_master_variables(const RankInfo& rank_info) {
    const std::string host = *environment("MASTER_ADDR"), source = "MASTER_ADDR and MASTER_PORT";
    const uint16_t port = master_port();
    if (environment("TORCHELASTIC_USE_AGENT_STORE").value_or("") != "True")
        return at_address({host, port, source}, rank_info);
    // The port is the agent's, who may start the workers again.
    const std::string attempt =
        concat("ailab/attempt_", environment("TORCHELASTIC_RESTART_COUNT").value_or("0"));
    if (!share_one_host(rank_info, host)) return AgentStore{host, port, attempt, source};
    return private_file(
        concat("agent ", port, " ", environment("TORCHELASTIC_RUN_ID").value_or(""), " ", attempt),
        source, 0);
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
    return private_file(mpirun_key(), "dist.init_method env:// under mpirun", 0);
}

bool slurm_has_one_node() {
    for (const char* variable : {"SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST"})
        if (const auto nodes = environment(variable)) return first_slurm_host(*nodes) == *nodes;
    for (const char* variable : {"SLURM_STEP_NUM_NODES", "SLURM_NNODES"})
        if (environment(variable).value_or("") == "1") return true;
    return false;
}

std::string slurm_host() {
    if (slurm_has_one_node()) return loopback;
    if (const auto host = environment("MASTER_ADDR")) return *host;
    for (const char* variable : {"SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST"})
        if (const auto nodes = environment(variable)) return first_slurm_host(*nodes);
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

MeetingPlace from_slurm_variables(const RankInfo& rank_info) {
    const std::string host = slurm_host();
    const uint16_t port = environment("MASTER_PORT") ? master_port() : slurm_port();
    const bool given = environment("MASTER_ADDR") && environment("MASTER_PORT");
    return at_address({host, port, given ? "MASTER_ADDR and MASTER_PORT" : "Slurm's variables"},
                      rank_info);
}

MeetingPlace from_environment(const RankInfo& rank_info) {
    const bool address = environment("MASTER_ADDR").has_value();
    const bool port = environment("MASTER_PORT").has_value();
    if (rank_info.launcher == "slurm") return from_slurm_variables(rank_info);
    if (address && port) return from_master_variables(rank_info);
    if (address || port)
        throw ConfigError(concat(
            "dist.init_method env://: ", address ? "MASTER_ADDR" : "MASTER_PORT", " is set, but ",
            address ? "MASTER_PORT" : "MASTER_ADDR", " is not; set both or neither"));
    if (rank_info.launcher != "mpirun")
        throw ConfigError(
            "dist.init_method env://: RANK and WORLD_SIZE are set, but MASTER_ADDR and MASTER_PORT "
            "are not; set them to where rank 0 runs and a free port there, or start with mpirun");
    if (rank_info.one_host()) return mpirun_file();
    return AddressByBroadcast{};
}

}  // namespace

std::vector<std::string> private_folders() {
    const std::string user = std::to_string(::geteuid());
    std::vector<std::string> folders;
    if (const auto runtime = environment("XDG_RUNTIME_DIR")) folders.push_back(*runtime + "/ailab");
    const std::string usual = concat("/run/user/", user, "/ailab");
    if (folders.empty() || folders[0] != usual) folders.push_back(usual);
    folders.push_back(concat("/tmp/ailab-", user));
    folders.push_back(concat("/dev/shm/ailab-", user));
    return folders;
}

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

MeetingPlace meeting_place(const std::string& init_method, const RankInfo& rank_info) {
    const std::string tcp = "tcp://", file = "file://";
    if (init_method == "env://") return from_environment(rank_info);
    if (init_method.starts_with(tcp))
        return from_tcp(init_method, init_method.substr(tcp.size()), rank_info);
    if (init_method.starts_with(file))
        return from_file(init_method, init_method.substr(file.size()), rank_info);
    throw wrong(init_method, "is not known");
}

}  // namespace ailab::dist
