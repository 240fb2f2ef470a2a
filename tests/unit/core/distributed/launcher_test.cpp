#include "distributed/launcher.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ailab/error.hpp"
#include "case_name.hpp"
#include "clean_environment.hpp"

namespace ailab::test {
namespace {

using Variables = std::map<std::string, std::string>;

const Variables mpirun_1_of_4{{"OMPI_COMM_WORLD_RANK", "1"},
                              {"OMPI_COMM_WORLD_SIZE", "4"},
                              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                              {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};

Variables operator+(Variables one, const Variables& other) {
    for (const auto& [name, value] : other) one[name] = value;
    return one;
}

std::string text(const RankInfo& place) {
    return concat(place.launcher, " ", place.rank, "/", place.world_size, " local ",
                  place.local_rank, "/", place.local_size);
}

template <class Row>
std::string name_of(const testing::TestParamInfo<Row>& row) {
    std::string text = row.param.forced;
    for (const auto& [name, value] : row.param.variables) text += " " + name + " " + value;
    return test::case_name(row.index, text);
}

// ---- accepted

struct Accepted {
    Variables variables;
    std::string forced, place;
};

class AcceptedEnvironment : public testing::TestWithParam<Accepted> {};

TEST_P(AcceptedEnvironment, TellsThePlace) {
    const CleanEnvironment environment(GetParam().variables);
    EXPECT_EQ(text(detect_rank_info(GetParam().forced)), GetParam().place);
}

INSTANTIATE_TEST_SUITE_P(
    Table, AcceptedEnvironment,
    testing::Values(
        Accepted{{}, "", "single 0/1 local 0/1"},
        Accepted{mpirun_1_of_4, "", "mpirun 1/4 local 1/2"},
        Accepted{{{"RANK", "3"}, {"WORLD_SIZE", "4"}}, "", "env 3/4 local -1/0"},
        Accepted{{{"RANK", "0"}, {"WORLD_SIZE", "1"}}, "", "env 0/1 local 0/1"},
        Accepted{
            {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}}, "", "env 3/4 local 1/0"},
        Accepted{
            {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "2"}},
            "",
            "env 3/4 local 1/2"},
        Accepted{{{"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "1"}},
                 "",
                 "slurm 5/8 local 1/0"},
        // Set but empty is not set.
        Accepted{{{"RANK", ""}, {"WORLD_SIZE", ""}}, "", "single 0/1 local 0/1"},
        // A shell inside a Slurm job of one task.
        Accepted{{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}}, "", "single 0/1 local 0/1"},
        // They agree: mpirun knows more.
        Accepted{mpirun_1_of_4 + Variables{{"RANK", "1"}, {"WORLD_SIZE", "4"}}, "",
                 "mpirun 1/4 local 1/2"},
        // mpirun, and torchrun, started inside a Slurm job: Slurm's variables are their task's.
        Accepted{mpirun_1_of_4 + Variables{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}, "",
                 "mpirun 1/4 local 1/2"},
        Accepted{{{"RANK", "3"},
                  {"WORLD_SIZE", "4"},
                  {"TORCHELASTIC_RUN_ID", "7"},
                  {"SLURM_PROCID", "1"},
                  {"SLURM_NTASKS", "2"}},
                 "",
                 "env 3/4 local -1/0"},
        // --launcher decides.
        Accepted{mpirun_1_of_4, "single", "single 0/1 local 0/1"},
        Accepted{mpirun_1_of_4 + Variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "mpirun",
                 "mpirun 1/4 local 1/2"},
        Accepted{mpirun_1_of_4 + Variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "env",
                 "env 0/2 local -1/0"},
        Accepted{{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}}, "slurm", "slurm 0/1 local 0/1"},
        Accepted{{{"RANK", "0"}}, "single", "single 0/1 local 0/1"}),
    name_of<Accepted>);

// ---- refused

struct Refused {
    Variables variables;
    std::string forced, message;
};

class RefusedEnvironment : public testing::TestWithParam<Refused> {};

TEST_P(RefusedEnvironment, SaysWhy) {
    const CleanEnvironment environment(GetParam().variables);
    try {
        const RankInfo place = detect_rank_info(GetParam().forced);
        FAIL() << "no error, but " << text(place);
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.what(), GetParam().message);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedEnvironment,
    testing::Values(
        Refused{{{"RANK", "abc"}, {"WORLD_SIZE", "2"}},
                "",
                "environment: RANK is \"abc\"; it must be a whole number of at least 0"},
        Refused{{{"RANK", "1.5"}, {"WORLD_SIZE", "2"}},
                "",
                "environment: RANK is \"1.5\"; it must be a whole number of at least 0"},
        Refused{{{"RANK", "-1"}, {"WORLD_SIZE", "2"}},
                "",
                "environment: RANK is \"-1\"; it must be a whole number of at least 0"},
        Refused{{{"RANK", "0"}, {"WORLD_SIZE", "0"}},
                "",
                "environment: WORLD_SIZE is \"0\"; it must be a whole number of at least 1"},
        Refused{{{"RANK", "0"}, {"WORLD_SIZE", "99999999999"}},
                "",
                "environment: WORLD_SIZE is \"99999999999\"; it must be a whole number of at "
                "least 1"},
        Refused{{{"RANK", "2"}, {"WORLD_SIZE", "2"}},
                "",
                "environment: RANK is 2, but WORLD_SIZE is 2; ranks count from 0"},
        Refused{{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_WORLD_SIZE", "3"}},
                "",
                "environment: LOCAL_WORLD_SIZE is 3, more than WORLD_SIZE, which is 2"},
        Refused{
            {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "1"}},
            "",
            "environment: LOCAL_RANK is 1, but LOCAL_WORLD_SIZE is 1; ranks count from 0"},
        Refused{{{"RANK", "0"}},
                "",
                "environment: RANK is set, but WORLD_SIZE is not; set both, or give --launcher "
                "single"},
        Refused{{{"WORLD_SIZE", "2"}},
                "",
                "environment: WORLD_SIZE is set, but RANK is not; set both, or give --launcher "
                "single"},
        Refused{mpirun_1_of_4 + Variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "",
                "environment: two launchers disagree: OMPI_COMM_WORLD_RANK=1 "
                "OMPI_COMM_WORLD_SIZE=4, but RANK=0 WORLD_SIZE=2. Give --launcher mpirun or "
                "--launcher env, or unset the variables of the other"},
        Refused{{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}},
                "",
                "environment: two launchers disagree: RANK=0 WORLD_SIZE=2, but SLURM_PROCID=1 "
                "SLURM_NTASKS=2. Give --launcher env or --launcher slurm, or unset the variables "
                "of the other"},
        Refused{{},
                "mpirun",
                "--launcher mpirun: OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE are not both "
                "set in the environment; start with mpirun"},
        Refused{{},
                "slurm",
                "--launcher slurm: SLURM_PROCID and SLURM_NTASKS are not both set in the "
                "environment; start with srun"},
        Refused{{{"RANK", "0"}},
                "env",
                "--launcher env: RANK and WORLD_SIZE are not both set in the environment; start "
                "with torchrun, or set both variables yourself"},
        Refused{{},
                "horovod",
                "--launcher: unknown launcher \"horovod\"; it is one of single, mpirun, slurm, "
                "env"}),
    name_of<Refused>);

// What --launcher takes is what is understood.
TEST(LauncherNames, AreAllUnderstood) {
    const CleanEnvironment environment(mpirun_1_of_4 + Variables{{"RANK", "1"},
                                                                 {"WORLD_SIZE", "4"},
                                                                 {"SLURM_PROCID", "1"},
                                                                 {"SLURM_NTASKS", "4"}});
    EXPECT_EQ(launcher_names(), (std::vector<std::string>{"single", "mpirun", "slurm", "env"}));
    for (const std::string& name : launcher_names())
        EXPECT_EQ(detect_rank_info(name).launcher, name);
}

}  // namespace
}  // namespace ailab::test
