#include "train.hpp"

#include <ATen/Context.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "ailab/log.hpp"
#include "ailab/support/regular_file.hpp"
#include "ailab/support/watched_file.hpp"
#include "choose.hpp"
#include "compare_ranks.hpp"
#include "config/formats.hpp"
#include "distributed/last_words.hpp"
#include "distributed/launcher.hpp"
#include "distributed/net.hpp"
#include "host/caching_allocator.hpp"
#include "host/error_context.hpp"
#include "host/exit_guard.hpp"
#include "host/mapped_memory.hpp"
#include "host/threads.hpp"
#include "log/log.hpp"
#include "plugin/plugin_host.hpp"
#include "runner.hpp"
#include "start_report.hpp"
#include "work_dir/checkpoint_choice.hpp"
#include "work_dir/leftovers.hpp"
#include "work_dir/run_end.hpp"
#include "work_dir/run_folder.hpp"
#include "work_dir/run_lock.hpp"

namespace ailab {

namespace {

constexpr int config_status = 2;
constexpr int failure_status = 1;

/// A mistake that one rank or all ranks found before they had met. They meet to say it once.
int refuse(const RankInfo& rank_info, const std::string& init_method, const std::string& message) {
    if (rank_info.world_size > 1) {
        try {
            constexpr double patience = 10;  // seconds; the others may be gone already
            Job::start(rank_info, init_method, patience)->fail(message, config_status);
        } catch (const std::exception&) {
            // They cannot meet (init_method may be what is wrong): each says it for itself.
        }
    }
    std::fprintf(stderr, "%s\n", message.c_str());
    return config_status;
}

void check_world(const RunConfig& config, const RankInfo& rank_info) {
    if (config.dist.world_size && *config.dist.world_size != rank_info.world_size) {
        throw ConfigError(
            {{place_of(config.source, "dist.world_size"),
              concat("dist.world_size is ", *config.dist.world_size, " and the launcher (",
                     rank_info.launcher, ") started ", rank_info.world_size,
                     rank_info.world_size == 1 ? " rank" : " ranks",
                     "; leave it out, or start as many ranks")}});
    }
    if (config.data.train) global_batch_size(config, rank_info.world_size);
}

/// The best backend that all ranks can make; `auto` goes on to the next where one cannot.
void connect(Job& job, std::vector<BackendCandidate> candidates, c10::Device device) {
    for (size_t i = 0; i < candidates.size(); ++i) {
        std::string problem;
        try {
            job.use(candidates[i].backend, device);
        } catch (const std::exception& error) {
            problem = short_message(error);
            if (problem.empty()) problem = "unknown error";
        }
        int failed = -1;
        const auto all = job.exchange(concat("backend-", int64_t(i)), problem);
        for (int rank = int(all.size()) - 1; rank >= 0; --rank)
            if (!all[size_t(rank)].empty()) failed = rank;
        if (failed < 0) return;
        const std::string why = concat("backend ", candidates[i].name, " cannot be used (rank ",
                                       failed, ": ", all[size_t(failed)], ")");
        if (i + 1 == candidates.size()) throw Error(why);
        log_info(why, "; trying ", candidates[i + 1].name);
    }
}

/// What is written to in a run's folder that was there before: a named pipe, a socket or a device
/// in the place of a file would have the run wait for good, or lose its lines without a word.
void check_run_files(const std::string& run_dir, const std::vector<std::shared_ptr<Hook>>& hooks) {
    std::vector<std::string> names = {"config.yaml", "environment.json", "broken_samples.jsonl"};
    for (const auto& hook : hooks)
        for (const std::string& path : hook->output_paths())
            names.push_back(std::filesystem::path(path).filename());  // or a link of this name
    for (const std::string& name : names) {
        const std::string path = concat(run_dir, "/", name);
        struct stat info {};
        if (stat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
        if (const std::string kind = other_kind(info.st_mode); !kind.empty())
            throw Error(concat(path, " is ", kind,
                               ", and the run would write to it: put the file back, or remove it"));
    }
}

/// Their code is mapped, and read when it is called.
std::vector<std::unique_ptr<const WatchedFile>> watch_plugins() {
    std::vector<std::unique_ptr<const WatchedFile>> files;
    for (const LoadedPlugin& plugin : PluginHost::instance().loaded()) {
        watch_code(plugin.path);
        files.push_back(std::make_unique<const WatchedFile>(plugin.path));
    }
    return files;
}

/// An error of other code than what was loaded is told as that.
void run(Runner& runner, const std::vector<std::unique_ptr<const WatchedFile>>& plugins) {
    try {
        runner.run();
    } catch (...) {
        for (const auto& plugin : plugins) plugin->check();
        throw;
    }
}

ResumePlan plan_resume(const RunConfig& config, const Hooks& hooks) {
    ResumePlan plan;
    for (const auto& hook : hooks.hooks) hook->plan_resume(plan);
    if (config.resume_from) plan.from = *config.resume_from;
    if (config.dry_run && !plan.from.empty())
        log_info("--dry-run begins afresh: resume_from (", std::exchange(plan.from, ""),
                 ") is not followed");
    return plan;
}

void make_deterministic() {
    // cuBLAS reads it when it is first used; without it LibTorch refuses to be deterministic.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
}

/// Of the results, for those who look at the run later and have not its modules.
Node directions(const RunPlan& plan) {
    Node directions = Node::map();
    for (const auto& [name, greater] : plan.greater_is_better)
        directions.set(name, Node(Node::Value(greater)));
    return directions;
}

struct Started {
    RankInfo rank_info;
    RunConfig config;
    ChosenDevice device;
    std::vector<BackendCandidate> backends;
    std::string trained_weights;  // that are tested
};

int run_job(Started& started) {
    const RunConfig& config = started.config;
    std::shared_ptr<Backend> early;  // MPI ends after the job, when it had to tell where rank 0 is
    if (Job::needs_broadcast(started.rank_info, config.dist.init_method))
        early = choose_early_broadcast();
    std::shared_ptr<Job> job =
        Job::start(started.rank_info, config.dist.init_method, config.dist.timeout,
                   early ? early->early_broadcast() : TextBroadcast(), config.dist.require_secret);
    std::unique_ptr<Runner> runner;
    try {
        if (config.runtime.allocator == "caching") install_caching_allocator();
        const ThreadPlan threads = plan_threads(job->rank_info(), int(config.runtime.threads));
        const c10::Device torch_device = started.device.device->select(job->rank_info());
        if (job->world_size() > 1) {
            compare_ranks(*job, config);
            connect(*job, started.backends, torch_device);
        }
        if (config.runtime.deterministic) make_deterministic();
        at::globalContext().setBenchmarkCuDNN(config.runtime.cudnn_benchmark);
        job->doing("making the modules");
        Hooks hooks = make_hooks(config);
        if (job->rank() == 0)
            for (const std::string& line : remove_leftovers(config.work_dir))
                log_info("left by a run that was killed: ", line);
        const std::optional<Resume> resume =
            prepare_resume(plan_resume(config, hooks), config, *job);
        int64_t batch = config.data.train ? global_batch_size(config, job->world_size()) : 0;
        if (resume && resume->global_batch_size > 0) batch = resume->global_batch_size;
        // Destroyed before the job ends: what hangs in a user's destructor then keeps others
        // waiting.
        std::optional<Modules> modules =
            build_modules({config, *job, *started.device.device, torch_device, threads, batch,
                           resume.has_value(), started.trained_weights},
                          std::move(hooks));
        if (const auto train = modules->data.find(Phase::train);
            resume && train != modules->data.end())
            check_transforms(*resume, config, *train->second.dataset);
        const SignalStack signal_stack;
        const auto plugins = watch_plugins();
        const bool goes_on = resume && !resume->run_dir.empty();
        const std::string run_dir =
            goes_on ? resume->run_dir : make_run_folder(config.work_dir, *job);
        const RunLock lock(run_dir, *job,
                           [&job](const std::string& text) { job->fail(text, failure_status); });
        if (job->rank() == 0) begin_run_end(run_dir);
        if (goes_on && job->rank() == 0) {
            check_run_files(run_dir, modules->hooks);
            link_latest(config.work_dir, run_dir);
        }
        Node environment = describe_environment(
            *job, job->world_size() > 1 ? job->backend_name() : "none", torch_device.str());
        runner = std::make_unique<Runner>(config, *job, *started.device.device, torch_device,
                                          *modules, run_dir);
        job->doing("taking over the checkpoint");
        if (resume) runner->restore(*resume);
        if (job->rank() == 0 && !config.test) {
            const bool has_branch = resume && !resume->original;
            runner->set_lineage(
                begin_branch(config.work_dir, run_dir, has_branch ? resume->path : "", goes_on));
        }
        if (job->rank() == 0) {
            environment.set("greater_is_better", directions(modules->plan));
            if (const int64_t start = started_at(run_dir); start > 0)
                environment.set("started_at", Node(start));
            write_text_file(run_dir + "/config.yaml", runner->config_text());
            write_text_file(run_dir + "/environment.json", to_json(environment, 2) + "\n");
        }
        log_start({config, *job, threads, *modules, started.device.name, run_dir, batch});
        if (resume) log_info("resumed from ", resume->path, " at step ", runner->progress().step);
        try {
            run(*runner, plugins);
        } catch (...) {
            const std::string message = [] {
                try {
                    throw;
                } catch (const std::exception& error) {
                    return short_message(error);
                } catch (...) {
                    return std::string("an exception of unknown type");
                }
            }();
            runner->on_exception(message);
            throw;
        }
        lock.check();
        const int signal = runner->stop_signal();
        job->doing("the destructors of the modules");
        runner.reset();
        modules.reset();
        job->doing("the plugins' shutdown");
        PluginHost::instance().shutdown();
        job->doing("the end");
        job->finish();
        settle_run_end();
        return signal == 0 ? 0 : 128 + signal;
    } catch (const ConfigError& error) {
        job->fail(error.what(), config_status);
    } catch (const std::exception& error) {
        job->fail(short_message(error), failure_status);
    } catch (...) {
        job->fail("an exception of unknown type", failure_status);
    }
    std::abort();  // fail() does not return, which g++ sees only when it optimizes
}

}  // namespace

namespace {

int run_with(ConfigInput input, const std::string& launcher) {
    std::signal(SIGPIPE, SIG_IGN);  // whoever read the log may go; the training need not
    Started started;
    try {
        started.rank_info = detect_rank_info(launcher);
    } catch (const ConfigError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return config_status;
    }
    const int rank = started.rank_info.rank, world_size = started.rank_info.world_size;
    set_log_rank(rank, world_size);
    // Until there is a job, which knows more.
    if (world_size > 1)
        tell_exits([rank](const std::string& text) {
            dist::print_line(
                concat("ailab: [rank ", rank, ", ", dist::host_name(), "] start: ", text));
            ::_exit(failure_status);
        });
    std::string init_method = "env://";
    // Of several ranks all have the same hooks: those may call collectives.
    input.watched = world_size > 1 || isatty(STDERR_FILENO);
    try {
        started.config = load_config(input);
        init_method = started.config.dist.init_method;
        if (const auto& test = started.config.test)
            started.trained_weights = choose_checkpoint(test->checkpoint, test->trained_in);
        check_world(started.config, started.rank_info);
        started.device = choose_device(started.config, started.rank_info);
        started.backends =
            choose_backends(started.config, started.rank_info, started.device.device->type());
    } catch (const std::exception& error) {
        return refuse(started.rank_info, init_method, short_message(error));
    }
    try {
        return run_job(started);
    } catch (const ConfigError& error) {
        return refuse({}, "", error.what());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ailab: [rank %d] %s\n", started.rank_info.rank,
                     short_message(error).c_str());
        return failure_status;
    }
}

}  // namespace

int train(const ConfigInput& input, const std::string& launcher) {
    return run_with(input, launcher);
}

int test(ConfigInput input, const TestRequest& request, const std::string& launcher) {
    input.test = request;
    return run_with(std::move(input), launcher);
}

}  // namespace ailab
