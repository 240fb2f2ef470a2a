#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "init_args.hpp"

namespace ailab::wandb {

enum class Mode { online, offline, disabled };

/// What the run is logged as: the configuration, else the client's environment variables, else its
/// defaults.
struct Settings {
    Mode mode = Mode::offline;
    /// Why the mode is offline though nobody said so; else "".
    std::string why_offline;
    std::string project;
    std::string entity;
    std::string name;
    std::string group;
    std::string job_type;
    std::string notes;
    std::string id;      // "": none was chosen
    std::string resume;  // "": none was chosen
    std::vector<std::string> tags;
    std::optional<std::string> dir;
    /// The installed `wandb` command; "": none.
    std::string client;
};

/// A variable's value, or nothing when it is not set or empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> process_environment(const std::string& name);

/// Throws Error when an environment variable has a value that the client would not take.
Settings resolve(const InitArgs& args, const Environment& environment);

/// The `wandb` command: WANDB_CLI, else the first on PATH; "" when there is none.
std::string find_client(const Environment& environment);
/// Whether the client would find credentials: WANDB_API_KEY, an identity token, or an entry of the
/// server in ~/.netrc.
bool has_credentials(const Environment& environment);

}  // namespace ailab::wandb
