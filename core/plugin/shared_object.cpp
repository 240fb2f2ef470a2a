#include "plugin/shared_object.hpp"

// Boost.DLL on std::filesystem needs no Boost library at run time.
#define BOOST_DLL_USE_STD_FS
#include <cxxabi.h>
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <boost/dll/shared_library.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "host/launcher_rank.hpp"
#include "plugin/denormals.hpp"

namespace ailab::plugin {
namespace {

/// The plugin whose static objects are being made, or "": for handlers, which have no argument.
std::string loading;

std::string cannot_be_loaded(const std::string& path, const std::string& what) {
    return concat(path, " cannot be loaded: a constructor of one of its static objects ", what,
                  ". Move that work into the module's constructor.");
}

/// The process ends alone, before the ranks have met.
std::string speaker() {
    const std::string rank = launcher_rank();
    return rank.empty() ? "ailab-run: " : concat("ailab-run: rank ", rank, ": ");
}

[[noreturn]] void end_with(const std::string& what) {
    std::fprintf(stderr, "%s%s\n", speaker().c_str(), cannot_be_loaded(loading, what).c_str());
    std::_Exit(2);
}

[[noreturn]] void report_exception() {
    std::string what = "threw something that is no std::exception";
    if (const std::exception_ptr thrown = std::current_exception()) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            what = concat("threw \"", e.what(), "\"");
        } catch (...) {
        }
    } else {
        what = "called std::terminate()";
    }
    end_with(what);
}

void report_exit(int status, void*) {
    if (!loading.empty()) end_with(concat("called exit(", status, ")"));
}

constexpr std::array crashes = {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS};

/// What the handler of a crash prints around the signal's name: made before.
std::array<std::string, 2> crash_text;

void report_crash(int signal) {
    const char* name = sigabbrev_np(signal);
    for (const std::string_view part : {std::string_view(crash_text[0]), std::string_view("SIG"),
                                        std::string_view(name), std::string_view(crash_text[1])})
        (void)!::write(STDERR_FILENO, part.data(), part.size());
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// While it lives, what ends the process in a static constructor is reported in the plugin's name:
/// an exception (some dynamic loaders let it pass to dlopen's caller, others do not), exit(), a
/// crash.
class LoadGuard {
  public:
    explicit LoadGuard(const std::string& path) : terminate_before_(std::get_terminate()) {
        [[maybe_unused]] static const int registered = on_exit(report_exit, nullptr);
        loading = path;
        const std::string mark = "\n";
        const std::string text = cannot_be_loaded(path, concat("crashed (", mark, ")"));
        const size_t at = text.rfind(mark);
        crash_text = {concat(speaker(), text.substr(0, at)),
                      concat(text.substr(at + mark.size()), "\n")};
        std::set_terminate(report_exception);
        struct sigaction action {};
        action.sa_handler = report_crash;
        for (size_t i = 0; i < crashes.size(); ++i)
            sigaction(crashes[i], &action, &crashes_before_[i]);
    }
    ~LoadGuard() {
        for (size_t i = 0; i < crashes.size(); ++i)
            sigaction(crashes[i], &crashes_before_[i], nullptr);
        std::set_terminate(terminate_before_);
        loading.clear();
    }
    LoadGuard(const LoadGuard&) = delete;
    LoadGuard& operator=(const LoadGuard&) = delete;

  private:
    const std::terminate_handler terminate_before_;
    std::array<struct sigaction, crashes.size()> crashes_before_{};
};

/// What follows `mark` in the loader's message, up to a delimiter; "" without the mark.
std::string text_after(const std::string& message, const std::string& mark,
                       const char* delimiters) {
    const size_t start = message.find(mark);
    if (start == std::string::npos) return "";
    const size_t from = start + mark.size();
    return message.substr(from, message.find_first_of(delimiters, from) - from);
}

std::string demangled(const std::string& symbol) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
    return status == 0 && name ? name.get() : symbol;
}

std::string advice(const std::string& message, const std::string& path) {
    if (const std::string symbol = text_after(message, "undefined symbol: ", " \t(,");
        !symbol.empty())
        return concat(" Nothing defines ", demangled(symbol),
                      ": add the source or the library that does to the plugin's build.");
    const std::string missing = text_after(message, "", ":");
    if (message.find("cannot open shared object file") != std::string::npos && missing != path)
        return concat(" Install ", missing, ", or add its folder to LD_LIBRARY_PATH.");
    return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

}  // namespace

const Descriptor& load_shared_object(const std::string& path, const std::string& shown) {
    using boost::dll::load_mode::type;
    const auto mode = static_cast<type>(RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    boost::dll::shared_library library;
    boost::dll::fs::error_code error;
    const DenormalGuard denormals;
    {
        const LoadGuard guard(shown);
        try {
            library.load(path, error, mode);
        } catch (const std::exception& e) {
            throw ConfigError(cannot_be_loaded(shown, concat("threw \"", e.what(), "\"")));
        } catch (...) {
            throw ConfigError(cannot_be_loaded(shown, "threw something that is no std::exception"));
        }
    }
    if (denormals.restore())
        log_warning(shown,
                    " (or a library that it needs) was linked with -ffast-math, which makes ",
                    "all numbers below 1.2e-38 zero in the whole process: that is undone. Give the "
                    "option to the compiler alone, not when linking");
    if (error) {
        const char* text = dlerror();
        const std::string message = replaced(text ? text : error.message(), path, shown);
        throw ConfigError(
            concat(shown, " cannot be loaded: ", message, ".", advice(message, shown)));
    }
    if (!library.has("ailab_plugin_descriptor"))
        throw ConfigError(concat(shown,
                                 " has an ailab stamp but no descriptor. Put AILAB_PLUGIN(...) "
                                 "in exactly one .cpp, and do not hide its symbols."));
    return library.get<const Descriptor>("ailab_plugin_descriptor");
}

}  // namespace ailab::plugin
