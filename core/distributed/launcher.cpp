#include "launcher.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "ailab/error.hpp"
#include "environment.hpp"

namespace ailab {
namespace {

using dist::environment;

/// The variables in which one kind of launcher tells a process its place.
struct Variables {
    const char* launcher;
    const char* rank;
    const char* size;
    const char* local_rank;
    const char* local_size;  // nullptr: it has none
    const char* started_by;  // for messages
};

constexpr Variables mpirun{"mpirun",
                           "OMPI_COMM_WORLD_RANK",
                           "OMPI_COMM_WORLD_SIZE",
                           "OMPI_COMM_WORLD_LOCAL_RANK",
                           "OMPI_COMM_WORLD_LOCAL_SIZE",
                           "mpirun"};
constexpr Variables torchrun{"env",
                             "RANK",
                             "WORLD_SIZE",
                             "LOCAL_RANK",
                             "LOCAL_WORLD_SIZE",
                             "torchrun, or set both variables yourself"};
constexpr Variables slurm{"slurm",         "SLURM_PROCID", "SLURM_NTASKS",
                          "SLURM_LOCALID", nullptr,        "srun"};
constexpr std::array launchers = {mpirun, slurm, torchrun};
const char* const no_launcher = "single";

std::optional<int> number(const char* name, int lowest) {
    const std::optional<std::string> text = environment(name);
    if (!text) return std::nullopt;
    int value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value < lowest)
        throw ConfigError(concat("environment: ", name, " is \"", *text,
                                 "\"; it must be a whole number of at least ", lowest));
    return value;
}

void check_below(const char* name, int value, const char* bound_name, int bound) {
    if (value < bound) return;
    throw ConfigError(concat("environment: ", name, " is ", value, ", but ", bound_name, " is ",
                             bound, "; ranks count from 0"));
}

/// The place that these variables tell, if they are set.
std::optional<RankInfo> read(const Variables& names) {
    const std::optional<int> rank = number(names.rank, 0);
    const std::optional<int> size = number(names.size, 1);
    if (!rank || !size) return std::nullopt;
    check_below(names.rank, *rank, names.size, *size);
    RankInfo rank_info;
    rank_info.rank = *rank;
    rank_info.world_size = *size;
    rank_info.launcher = names.launcher;
    const std::optional<int> local_size =
        names.local_size ? number(names.local_size, 1) : std::nullopt;
    const std::optional<int> local_rank = number(names.local_rank, 0);
    rank_info.local_rank = local_rank.value_or(*size == 1 ? 0 : unknown_local_rank);
    rank_info.local_size = local_size.value_or(*size == 1 ? 1 : unknown_local_size);
    if (local_size && *local_size > *size)
        throw ConfigError(concat("environment: ", names.local_size, " is ", *local_size,
                                 ", more than ", names.size, ", which is ", *size));
    if (local_size && local_rank)
        check_below(names.local_rank, *local_rank, names.local_size, *local_size);
    return rank_info;
}

std::string told(const Variables& names, const RankInfo& rank_info) {
    return concat(names.rank, "=", rank_info.rank, " ", names.size, "=", rank_info.world_size);
}

void check_agreement(const Variables& one_names, const std::optional<RankInfo>& one,
                     const Variables& other_names, const std::optional<RankInfo>& other) {
    if (!one || !other) return;
    if (one->rank == other->rank && one->world_size == other->world_size) return;
    throw ConfigError(concat("environment: two launchers disagree: ", told(one_names, *one),
                             ", but ", told(other_names, *other), ". Give --launcher ",
                             one_names.launcher, " or --launcher ", other_names.launcher,
                             ", or unset the variables of the other"));
}

RankInfo read_forced(const std::string& forced) {
    if (forced == no_launcher) return {};
    for (const Variables& names : launchers) {
        if (forced != names.launcher) continue;
        if (std::optional<RankInfo> rank_info = read(names)) return *rank_info;
        throw ConfigError(concat("--launcher ", forced, ": ", names.rank, " and ", names.size,
                                 " are not both set in the environment; start with ",
                                 names.started_by));
    }
    throw ConfigError(concat("--launcher: unknown launcher \"", forced, "\"; it is one of ",
                             join(launcher_names())));
}

/// One of a pair alone is a slip that would make each process a job of its own.
void check_pair(const Variables& names) {
    const bool rank = environment(names.rank).has_value();
    if (rank == environment(names.size).has_value()) return;
    throw ConfigError(concat("environment: ", rank ? names.rank : names.size, " is set, but ",
                             rank ? names.size : names.rank,
                             " is not; set both, or give --launcher single"));
}

}  // namespace

const std::vector<std::string>& launcher_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> list = {no_launcher};
        for (const Variables& variables : launchers) list.emplace_back(variables.launcher);
        return list;
    }();
    return names;
}

RankInfo detect_rank_info(const std::string& forced) {
    if (!forced.empty()) return read_forced(forced);
    const std::optional<RankInfo> by_mpirun = read(mpirun);
    const std::optional<RankInfo> by_torchrun = read(torchrun);
    std::optional<RankInfo> by_slurm;
    // Inside a Slurm job, mpirun's and torchrun's processes inherit the variables of the task that
    // runs mpirun or torchrun: they say nothing about this process.
    const bool own_slurm_task = !by_mpirun && !environment("TORCHELASTIC_RUN_ID");
    if (own_slurm_task) by_slurm = read(slurm);
    if (by_slurm && by_slurm->world_size == 1) by_slurm.reset();  // a plain shell inside a job
    check_agreement(mpirun, by_mpirun, torchrun, by_torchrun);
    check_agreement(torchrun, by_torchrun, slurm, by_slurm);
    if (by_mpirun) return *by_mpirun;
    if (by_torchrun) return *by_torchrun;
    if (by_slurm) return *by_slurm;
    check_pair(torchrun);
    return {};
}

}  // namespace ailab
