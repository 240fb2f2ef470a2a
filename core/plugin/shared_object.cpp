#include "plugin/shared_object.hpp"

// Boost.DLL on std::filesystem needs no Boost library at run time.
#define BOOST_DLL_USE_STD_FS
#include <cxxabi.h>
#include <dlfcn.h>
#include <unistd.h>

#include <boost/dll/shared_library.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "plugin/denormals.hpp"

namespace ailab::plugin {
namespace {

std::string loading;  // NOLINT: read by the terminate handler, which has no argument

std::string constructor_threw(const std::string& path, const std::string& what) {
    return concat(path, " cannot be loaded: a constructor of one of its static objects threw ",
                  what, ". Move that work into the module's constructor.");
}

[[noreturn]] void report_static_constructor() {
    std::string what = "something that is no std::exception";
    if (const std::exception_ptr thrown = std::current_exception()) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            what = concat("\"", e.what(), "\"");
        } catch (...) {
        }
    } else {
        what = "nothing: it called std::terminate()";
    }
    std::fprintf(stderr, "ailab-run: %s\n", constructor_threw(loading, what).c_str());
    std::_Exit(2);
}

/// While it lives, an exception that ends the process in a static constructor is reported in the
/// plugin's name. (Some dynamic loaders let it pass to dlopen's caller, others do not.)
class TerminateGuard {
  public:
    explicit TerminateGuard(const std::string& path) : before_(std::get_terminate()) {
        loading = path;
        std::set_terminate(report_static_constructor);
    }
    ~TerminateGuard() { std::set_terminate(before_); }
    TerminateGuard(const TerminateGuard&) = delete;
    TerminateGuard& operator=(const TerminateGuard&) = delete;

  private:
    std::terminate_handler before_;
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
        const TerminateGuard guard(shown);
        try {
            library.load(path, error, mode);
        } catch (const std::exception& e) {
            throw ConfigError(constructor_threw(shown, concat("\"", e.what(), "\"")));
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
