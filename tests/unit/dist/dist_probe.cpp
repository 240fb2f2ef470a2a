// A job that behaves, or misbehaves, as its command line says: dist_probe SCENARIO [key=value …].
// Keys: rank (which one misbehaves), init (dist.init_method), timeout (seconds), launcher.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <thread>

#include "ailab/error.hpp"
#include "dist/job.hpp"
#include "dist/launcher.hpp"

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
    const auto& place = job.placement();
    std::string line;
    for (const std::string& text : job.exchange("name", "r" + std::to_string(job.rank())))
        line += text + " ";
    line += job.broadcast_text(job.rank() == 0 ? "from0" : "wrong");
    std::printf("rank %d of %d, local %d of %d, %s: %s\n", place.rank, place.world_size,
                place.local_rank, place.local_size, place.launcher.c_str(), line.c_str());
    std::fflush(stdout);
}

void misbehave(Job& job, const std::string& scenario) {
    if (scenario == "fail") job.fail("boom");
    if (scenario == "kill") ::raise(SIGKILL);
    if (scenario == "exit") ::_exit(3);
    if (scenario == "terminate") ::kill(::getpid(), SIGTERM);
    if (scenario == "config") job.fail("train.yaml:1:1: wrong", 2);
}

void play(Job& job, const Arguments& arguments) {
    const std::string& scenario = arguments.scenario;
    if (scenario == "greet") return greet(job);
    if (scenario == "all_fail") job.fail("boom on " + std::to_string(job.rank()));
    if (scenario == "all_config") job.fail("train.yaml:1:1: wrong\ntrain.yaml:2:1: too", 2);
    job.beat({"train", 3, 17, 412});
    job.exchange("ready", "");
    std::this_thread::sleep_for(std::chrono::milliseconds(arguments.number("after", 50)));
    if (job.rank() == arguments.number("rank", -1)) {
        misbehave(job, scenario);
        std::this_thread::sleep_for(std::chrono::seconds(20));
    } else if (arguments.get("others", "") != "finish") {
        sit_in_a_collective(job);
    }
}

int run(const Arguments& arguments) {
    const auto placement = ailab::detect_placement(arguments.get("launcher", ""));
    const auto job =
        Job::start(placement, arguments.get("init", "env://"), arguments.number("timeout", 30));
    try {
        play(*job, arguments);
    } catch (const std::exception& error) {
        job->fail(error.what());
    }
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
