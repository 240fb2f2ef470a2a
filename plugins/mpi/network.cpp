#include "network.hpp"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

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

}  // namespace

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
