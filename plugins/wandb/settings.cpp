#include "settings.hpp"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"

namespace ailab::wandb {
namespace {

/// Split at commas, without blanks around the words.
std::vector<std::string> words(const std::string& text) {
    std::vector<std::string> result;
    for (size_t at = 0; at <= text.size();) {
        const size_t comma = std::min(text.find(',', at), text.size());
        const size_t begin = text.find_first_not_of(' ', at);
        if (begin < comma) {
            const size_t end = text.find_last_not_of(' ', comma - 1);
            result.push_back(text.substr(begin, end + 1 - begin));
        }
        at = comma + 1;
    }
    return result;
}

/// "https://api.wandb.ai/x" -> "api.wandb.ai".
std::string host_of(const std::string& url) {
    const size_t scheme = url.find("://");
    const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
    return url.substr(begin, url.find('/', begin) - begin);
}

/// Whether a netrc file has an entry for one of the machines. Its words may be anywhere on its
/// lines.
bool netrc_has(const std::string& path, const std::vector<std::string>& machines) {
    const RegularFile file(path);
    if (!file.problem().empty()) return false;
    std::istringstream text(file.text());
    bool named = false;
    for (std::string word; text >> word;) {
        if (named)
            for (const std::string& machine : machines)
                if (word == machine) return true;
        named = word == "machine";
    }
    return false;
}

Mode mode_of(const std::string& text, const std::string& origin) {
    if (text == "online" || text == "run") return Mode::online;
    if (text == "offline" || text == "dryrun") return Mode::offline;
    if (text == "disabled") return Mode::disabled;
    throw Error(concat(origin, " is \"", text, "\"; it may be online, offline or disabled"));
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (!value || !*value) return std::nullopt;
    return value;
}

std::string find_client(const Environment& environment) {
    if (const auto given = environment("WANDB_CLI"))
        return access(given->c_str(), X_OK) == 0 ? *given : "";
    const std::string path = environment("PATH").value_or("");
    for (size_t at = 0; at <= path.size();) {
        const size_t colon = std::min(path.find(':', at), path.size());
        const std::string candidate = path.substr(at, colon - at) + "/wandb";
        if (colon > at && access(candidate.c_str(), X_OK) == 0) return candidate;
        at = colon + 1;
    }
    return "";
}

bool has_credentials(const Environment& environment) {
    if (environment("WANDB_API_KEY") || environment("WANDB_IDENTITY_TOKEN_FILE")) return true;
    // The servers that the client asks by default, new and old.
    std::vector<std::string> machines = {"api.forge.coreweave.com", "api.wandb.ai"};
    if (const auto url = environment("WANDB_BASE_URL")) machines = {host_of(*url)};
    if (const auto netrc = environment("NETRC")) return netrc_has(*netrc, machines);
    const std::string home = environment("HOME").value_or("");
    return netrc_has(home + "/.netrc", machines) || netrc_has(home + "/_netrc", machines);
}

Settings resolve(const InitArgs& args, const Environment& environment) {
    const auto text = [&](const std::optional<std::string>& given, const char* variable,
                          const char* otherwise = "") {
        return given ? *given : environment(variable).value_or(otherwise);
    };
    Settings settings;
    settings.project = text(args.project, "WANDB_PROJECT", "uncategorized");
    settings.entity = text(args.entity, "WANDB_ENTITY");
    settings.name = text(args.name, "WANDB_NAME");
    settings.group = text(args.group, "WANDB_RUN_GROUP");
    settings.job_type = text(args.job_type, "WANDB_JOB_TYPE");
    settings.notes = text(args.notes, "WANDB_NOTES");
    settings.id = text(args.id, "WANDB_RUN_ID");
    settings.resume = text(args.resume, "WANDB_RESUME");
    settings.tags = args.tags ? *args.tags : words(environment("WANDB_TAGS").value_or(""));
    settings.dir = args.dir.value ? args.dir.value : environment("WANDB_DIR");
    settings.client = find_client(environment);
    if (!settings.id.empty())
        if (const std::string complaint = check_run_id(settings.id); !complaint.empty())
            throw Error("WANDB_RUN_ID: " + complaint);

    const std::string mode = text(args.mode, "WANDB_MODE");
    if (!mode.empty())
        settings.mode = mode_of(mode, args.mode ? "mode" : "WANDB_MODE");
    else if (!has_credentials(environment))
        settings.why_offline = "there is no API key (WANDB_API_KEY, or `wandb login`)";
    else if (settings.client.empty())
        settings.why_offline = "the command `wandb` is not on PATH (pip install wandb)";
    else
        settings.mode = Mode::online;
    return settings;
}

}  // namespace ailab::wandb
