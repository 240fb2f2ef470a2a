#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "command.hpp"

namespace ailab::app {
namespace {

/// "ailab 0.1.0 (LibTorch 2.11.0, …)".
std::string version_text() {
    constexpr plugin::Stamp stamp = plugin::make_stamp();
    return concat("ailab ", stamp.core, " (LibTorch ", stamp.torch, ", SDK ",
                  std::string(stamp.abi).substr(0, 12), ", ", stamp.build, ", compiler ",
                  stamp.compiler, ")\n");
}

Work read_version(const CommandLine&) {
    return [] { return print(version_text()); };
}

const Registration version_command{{.name = "--version",
                                    .place = 230,
                                    .usage = {{"", ""}},
                                    .options = {{.name = "version",
                                                 .doc = "versions of ailab and LibTorch",
                                                 .takes = Option::Takes::nothing}},
                                    .read = read_version}};

}  // namespace
}  // namespace ailab::app
