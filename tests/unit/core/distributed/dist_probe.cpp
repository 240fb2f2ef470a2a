// A job that behaves, or misbehaves, as its command line says: dist_probe SCENARIO [key=value …].
// Keys: rank (which one misbehaves), init (dist.init_method), timeout (seconds), launcher, after
// (milliseconds until it misbehaves), others=finish, then=fail|kill (what `warn` ends with),
// broadcast (a file that stands for MPI), require=secret, watch=launcher, say=ready (when all are
// there).
#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "distributed/job.hpp"
#include "distributed/launcher.hpp"
#include "distributed/launcher_watch.hpp"
#include "store_backend.hpp"

namespace {

using ailab::Job;

struct Arguments {
    std::string scenario;
    std::map<std::string, std::string> options;

    std::string get(const std::string& key, const std::string& otherwise) const {
        const auto found = options.find(key);
        return found == options.end() ? otherwise : found->second;
    }
    int number(const std::string& key, int otherwise) const {
        return std::stoi(get(key, std::to_string(otherwise)));
    }
};

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    if (argc > 1) arguments.scenario = argv[1];
    for (int i = 2; i < argc; ++i) {
        const std::string text = argv[i];
        const size_t equals = text.find('=');
        arguments.options[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return arguments;
}

void sit_in_a_collective(Job& job) {
    job.exchange("never", std::to_string(job.rank()));
}

void greet(Job& job) {
    const auto& place = job.rank_info();
    std::string line;
    for (const std::string& text : job.exchange("name", "r" + std::to_string(job.rank())))
        line += text + " ";
    line += job.broadcast_text(job.rank() == 0 ? "from0" : "wrong");
    std::printf("rank %d of %d, local %d of %d, %s: %s\n", place.rank, place.world_size,
                place.local_rank, place.local_size, place.launcher.c_str(), line.c_str());
    std::fflush(stdout);
}

void check(bool right, const char* what) {
    if (!right) throw ailab::Error(std::string("wrong: ") + what);
}

void communicate(Job& job) {
    const int rank = job.rank(), size = job.world_size();
    job.use(std::make_shared<ailab::test::StoreBackend>(), c10::kCPU);
    check(job.backend_name() == "store", "name");
    at::Tensor sum = at::full({2, 3}, double(rank + 1), at::kDouble);
    job.all_reduce_sum(sum);
    check(sum.eq(size * (size + 1) / 2.0).all().item<bool>(), "sum");
    at::Tensor strided = at::full({3, 2}, rank, at::kLong).t();
    job.all_reduce_max(strided);
    check(strided.eq(size - 1).all().item<bool>(), "max of a strided tensor");
    job.all_reduce_min(strided.fill_(rank + 5));
    check(strided.eq(5).all().item<bool>(), "min");
    at::Tensor weight = at::full({4}, double(rank)).requires_grad_();
    job.broadcast(weight, size - 1);
    check(weight.eq(size - 1).all().item<bool>(), "broadcast of a parameter");
    at::Tensor empty = at::zeros({0});
    job.all_reduce_sum(empty);
    job.barrier();
    for (const size_t length : {0, 1, 7, 8, 9, 1000}) {
        check(job.broadcast_text(std::string(length * size_t(rank == 0), 'x')) ==
                  std::string(length, 'x'),
              "broadcast_text");
        const auto texts = job.gather_text(std::string(length * size_t(rank), char('a' + rank)));
        for (int from = 0; from < size; ++from)
            check(texts[size_t(from)] == std::string(length * size_t(from), char('a' + from)),
                  "gather_text");
    }
    job.exchange("after", "");
}

/// Rank 2 is killed while the others are in a collective, which fails for them at once.
void fail_in_a_collective(Job& job, bool killed) {
    job.use(std::make_shared<ailab::test::StoreBackend>(), c10::kCPU);
    job.beat({"val", 1, 2, 3});
    job.exchange("ready", "");
    if (killed && job.rank() == 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        ::raise(SIGKILL);
    }
    at::Tensor differs = at::zeros({job.rank() + 1});
    job.all_reduce_sum(differs);
}

void misbehave(Job& job, const std::string& scenario) {
    if (scenario == "fail") job.fail("boom");
    if (scenario == "kill") ::raise(SIGKILL);
    if (scenario == "exit") ::_exit(3);
    if (scenario == "terminate") ::kill(::getpid(), SIGTERM);
    if (scenario == "stop") ::raise(SIGSTOP);
    if (scenario == "loop") std::this_thread::sleep_for(std::chrono::hours(1));
    if (scenario == "config") job.fail("train.yaml:1:1: wrong", 2);
}

/// All ranks warn of the same, rank 1 of something more.
void warn(Job& job, const Arguments& arguments) {
    job.beat({"train", 3, 17, 412});
    ailab::log_warning("all of us");
    if (job.rank() == 1) ailab::log_warning("rank 1 alone");
    job.exchange("warned", "");
    if (job.rank() != arguments.number("rank", -1)) {
        if (arguments.get("then", "").empty()) return;
        return sit_in_a_collective(job);
    }
    // So long the warnings of the others take to rank 0, and shorter than it keeps them.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    misbehave(job, arguments.get("then", ""));
}

void play(Job& job, const Arguments& arguments) {
    const std::string& scenario = arguments.scenario;
    if (scenario == "greet") return greet(job);
    if (scenario == "communicate") return communicate(job);
    if (scenario == "collective_fails") return fail_in_a_collective(job, false);
    if (scenario == "collective_and_kill") return fail_in_a_collective(job, true);
    if (scenario == "leave") return;
    if (scenario == "warn") return warn(job, arguments);
    if (scenario == "all_fail") job.fail("boom on " + std::to_string(job.rank()));
    if (scenario == "all_config") job.fail("train.yaml:1:1: wrong\ntrain.yaml:2:1: too", 2);
    job.beat({"train", 3, 17, 412});
    job.exchange("ready", "");
    if (arguments.get("say", "") == "ready") {
        std::puts("ready");
        std::fflush(stdout);
    }
    if (scenario == "stop" || scenario == "loop") job.doing("after_run", "slow");
    std::this_thread::sleep_for(std::chrono::milliseconds(arguments.number("after", 50)));
    if (job.rank() == arguments.number("rank", -1)) {
        misbehave(job, scenario);
        std::this_thread::sleep_for(std::chrono::seconds(20));
    } else if (arguments.get("others", "") != "finish") {
        sit_in_a_collective(job);
    }
}

/// Stands for MPI: rank 0's text goes through a file.
ailab::TextBroadcast broadcast_by(const std::string& path, int rank) {
    if (path.empty()) return {};
    return [path, rank](const std::string& text) {
        if (rank == 0) {
            std::ofstream(path + ".new") << text;
            std::filesystem::rename(path + ".new", path);
        }
        while (!std::filesystem::exists(path))
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::stringstream told;
        told << std::ifstream(path).rdbuf();
        return told.str();
    };
}

int run(const Arguments& arguments) {
    if (arguments.get("watch", "") == "launcher") ailab::watch_launcher();
    if (arguments.scenario == "wait") std::this_thread::sleep_for(std::chrono::hours(1));
    const auto rank_info = ailab::detect_rank_info(arguments.get("launcher", ""));
    const auto job =
        Job::start(rank_info, arguments.get("init", "env://"), arguments.number("timeout", 30),
                   broadcast_by(arguments.get("broadcast", ""), rank_info.rank),
                   arguments.get("require", "") == "secret");
    try {
        play(*job, arguments);
    } catch (const std::exception& error) {
        job->fail(error.what());
    }
    if (arguments.scenario == "leave" && job->rank() == arguments.number("rank", -1)) return 4;
    job->finish();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(parse(argc, argv));
    } catch (const ailab::ConfigError& error) {
        std::fprintf(stderr, "config: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
