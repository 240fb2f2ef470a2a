#include "run_folder.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/regular_file.hpp"
#include "config/formats.hpp"
#include "files/temporary_name.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

std::string start_time() {
    const time_t now = time(nullptr);
    tm local{};
    localtime_r(&now, &local);
    char text[32];
    strftime(text, sizeof text, "%Y%m%d_%H%M%S", &local);
    return text;
}

/// What is wrong with the names that every run replaces, or "": what no run made stays.
std::string check_names(const std::string& work_dir) {
    std::error_code error;
    const fs::path latest = fs::path(work_dir) / "latest";
    const fs::path pointer = fs::path(work_dir) / "last_checkpoint";
    if (fs::exists(fs::symlink_status(latest, error)) && !fs::is_symlink(latest, error))
        return concat(latest.string(),
                      " is no link that a run made; move it away, or choose another work_dir");
    if (fs::is_directory(pointer, error))
        return concat(pointer.string(),
                      " is a folder, where runs keep a file; move it away, or choose another "
                      "work_dir");
    return "";
}

/// On failure an error text that begins with '!', so that every rank learns of it.
std::string make_unique_folder(const std::string& work_dir) {
    if (work_dir.find("://") != std::string::npos)  // else the folder "s3:" is made here
        return concat(
            "!work_dir \"", work_dir,
            "\" is an address, and runs are kept in a folder; choose one with work_dir: or "
            "--work-dir, and copy it there afterwards");
    std::error_code error;
    fs::create_directories(work_dir, error);
    if (error)
        return concat("!cannot make work_dir \"", work_dir, "\": ", error.message(),
                      "; choose another with work_dir: or --work-dir");
    if (const std::string taken = check_names(work_dir); !taken.empty()) return "!" + taken;
    const std::string base = (fs::path(work_dir) / start_time()).string();
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const std::string folder = attempt == 0 ? base : concat(base, "_", attempt);
        if (mkdir(folder.c_str(), 0777) == 0) return folder;
        if (errno != EEXIST)
            return concat("!cannot write to work_dir \"", work_dir, "\": ", strerror(errno),
                          "; choose another with work_dir: or --work-dir");
    }
    return concat("!work_dir \"", work_dir, "\" already has 1000 runs of this second");
}

}  // namespace

std::string make_run_folder(const std::string& work_dir, Comm& comm) {
    const std::string made =
        comm.broadcast_text(comm.rank() == 0 ? make_unique_folder(work_dir) : "");
    if (made.starts_with('!')) throw Error(made.substr(1));
    if (comm.rank() == 0) link_latest(work_dir, made);
    return made;
}

void link_latest(const std::string& work_dir, const std::string& run_dir) {
    if (const std::string taken = check_names(work_dir); !taken.empty()) throw Error(taken);
    const fs::path link = fs::path(work_dir) / "latest";
    const fs::path fresh = temporary_name(link.string());
    std::error_code error;
    if (fs::read_symlink(link, error) == fs::path(run_dir).filename()) return;
    fs::create_symlink(fs::path(run_dir).filename(), fresh, error);
    if (error) {
        // Some file systems have no links. One of an earlier run would mislead, where there is any.
        log_warning("cannot make the link ", link.string(), " (", error.message(),
                    "); this run's folder is ", run_dir);
        fs::remove(link, error);
        return;
    }
    fs::rename(fresh, link, error);
    if (error)
        throw Error(concat("cannot replace the link ", link.string(), ": ", error.message()));
}

void write_text_file(const std::string& path, const std::string& text) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) throw Error(concat("cannot write ", path, ": ", strerror(errno)));
    size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = write(file, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const std::string reason = strerror(errno);
            close(file);
            throw Error(concat("cannot write ", path, ": ", reason));
        }
        done += size_t(n);
    }
    if (close(file) != 0 && errno != EINTR)  // interrupted, it is closed
        throw Error(concat("cannot write ", path, ": ", strerror(errno)));
}

int64_t started_at(const std::string& run_dir) {
    std::error_code error;
    const std::string path = run_dir + "/environment.json";
    if (!fs::exists(path, error)) return int64_t(time(nullptr));
    constexpr uint64_t most_bytes = 64 << 20;
    try {
        const Node environment = from_json(read_regular_file(path, most_bytes), path);
        const Node* first = environment.find("started_at");
        return first && first->is_int() ? first->as_int() : 0;
    } catch (const Error&) {
        return 0;  // the run was killed while it wrote the file
    }
}

Node describe_environment(Comm& comm, const std::string& backend, const std::string& device) {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    Node::List hosts;
    for (std::string& name : comm.gather_text(host)) hosts.push_back(Node::string(std::move(name)));
    Node::List plugins;
    for (const LoadedPlugin& plugin : PluginHost::instance().loaded()) {
        Node entry = Node::map();
        entry.set("name", Node::string(plugin.name));
        entry.set("version", Node::string(plugin.version));
        entry.set("path", Node::string(plugin.path));
        entry.set("build_id", Node::string(plugin.build_id));
        plugins.push_back(std::move(entry));
    }
    const plugin::Stamp stamp = plugin::make_stamp();
    Node environment = Node::map();
    environment.set("ailab", Node::string(AILAB_VERSION));
    environment.set("torch", Node::string(stamp.torch));
    environment.set("compiler", Node::string(stamp.compiler));
    environment.set("build", Node::string(stamp.build));
    environment.set("abi", Node::string(stamp.abi));
    environment.set("device", Node::string(device));
    environment.set("backend", Node::string(backend));
    environment.set("world_size", Node(int64_t(comm.world_size())));
    environment.set("threads", Node(int64_t(at::get_num_threads())));
    environment.set("hosts", Node::list(std::move(hosts)));
    environment.set("plugins", Node::list(std::move(plugins)));
    return environment;
}

}  // namespace ailab
