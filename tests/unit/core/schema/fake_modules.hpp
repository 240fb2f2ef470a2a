#pragma once
// Made-up modules of each kind, and a host that knows them.
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "ailab/module_spec.hpp"

namespace ailab::fake {

/// Forgets the plugins that earlier tests loaded.
void reset_host();

struct TinyModel {
    struct Options {
        int64_t hidden = 128;
        double dropout = 0.1;
        std::string activation = "relu";
        std::vector<int64_t> sizes = {3, 3};
        bool bias = true;
        std::string note;
        Node extra;
        void visit(OptionVisitor& v) {
            v.option("hidden", hidden, "width", at_least(1));
            v.option("dropout", dropout, "probability", between(0, 1));
            v.option("activation", activation, "function", one_of({"relu", "gelu"}));
            v.option("sizes", sizes, "of kernels", at_least(1));
            v.option("bias", bias, "add a bias");
            v.option("note", note, "any text");
            v.option("extra", extra, "anything");
        }
    };
    explicit TinyModel(const Options& options) : options(options) {}
    Options options;
};

/// Its constructor refuses some options, in the ways that constructors do.
struct PickyModel {
    struct Options {
        std::string how = "error";
        void visit(OptionVisitor& v) { v.option("how", how, "what it throws"); }
    };
    explicit PickyModel(const Options& options) {
        if (options.how == "config") throw ConfigError("hidden must divide by heads.");
        if (options.how == "number") throw 5;
        throw std::runtime_error("no luck\nException raised from f at x.cpp:1");
    }
};

/// Cannot be made for want of memory, as different libraries say it.
struct HungryModel {
    struct Options {
        int64_t width = 8, depth = 2;
        std::string how = "bad_alloc";
        void visit(OptionVisitor& v) {
            v.option("width", width, "of a layer");
            v.option("depth", depth, "layers");
            v.option("how", how, "what it throws");
        }
    };
    explicit HungryModel(const Options& options) {
        if (options.how == "bad_alloc") throw std::bad_alloc();
        if (options.how == "length") throw std::length_error("vector::reserve");
        if (options.how == "overflow")
            throw std::runtime_error("Storage size calculation overflowed with sizes=[8, 8]");
        throw std::runtime_error(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 4000000000000000 bytes.");
    }
};

struct ListData {
    struct Options {
        std::string root;
        std::optional<int64_t> limit;
        void visit(OptionVisitor& v) {
            v.required("root", root, "folder of the data");
            v.option("limit", limit, "samples to keep", at_least(1));
        }
    };
};

struct CrossEntropyLoss {
    struct Options {
        std::optional<std::vector<double>> weight;
        std::string reduction = "mean";
        void visit(OptionVisitor& v) {
            v.option("weight", weight, "a class", at_least(0));
            v.option("reduction", reduction, "how", one_of({"mean", "sum", "none"}));
        }
    };
};

struct Accuracy {
    struct Options {
        int topk = 1;
        void visit(OptionVisitor& v) { v.option("topk", topk, "k", at_least(1)); }
    };
};

struct AdamW {
    struct Options {
        double lr = 1e-3;
        std::vector<double> betas = {0.9, 0.999};
        double eps = 1e-8;
        double weight_decay = 0.01;
        bool amsgrad = false;
        void visit(OptionVisitor& v) {
            v.option("lr", lr, "learning rate", at_least(0));
            v.option("betas", betas, "decay rates", {.min = 0, .max = 1, .exclusive_max = true});
            v.option("eps", eps, "added", above(0));
            v.option("weight_decay", weight_decay, "decay", at_least(0));
            v.option("amsgrad", amsgrad, "keep the maximum");
            v.rule([this] {
                return betas.size() == 2 ? std::string() : "betas must be two numbers.";
            });
        }
    };
};

struct CosineAnnealingLR {
    struct Options {
        int64_t T_max = 0;
        double eta_min = 0;
        void visit(OptionVisitor& v) {
            v.required("T_max", T_max, "epochs of half a period", at_least(1));
            v.option("eta_min", eta_min, "lowest", at_least(0));
        }
    };
};

struct MetricHook {
    static constexpr Role role = roles::metrics;
    struct Options {
        std::map<std::string, ModuleSpec<Metric>> metrics;
        void visit(OptionVisitor& v) { v.rest(metrics, "named metrics"); }
    };
};

struct LrSchedulerHook {
    struct Options {
        ModuleSpec<LrScheduler> scheduler;
        void visit(OptionVisitor& v) { v.required("scheduler", scheduler, "the schedule"); }
    };
};

struct LoggerHook {
    static constexpr Role role = roles::logger;
    struct Options {
        int64_t interval = 10;
        std::optional<std::string> log_dir;
        std::map<std::string, std::string> log_items;
        void visit(OptionVisitor& v) {
            v.option("interval", interval, "iterations a line", at_least(1));
            v.option("log_dir", log_dir, "folder");
            v.option("log_items", log_items, "name: value");
        }
    };
};

struct ProgressHook {
    static constexpr Role role = roles::progress;
    struct Options {
        std::string mode = "auto";
        void visit(OptionVisitor& v) {
            v.option("mode", mode, "how it is shown", one_of({"auto", "bar", "off"}));
        }
    };
};

/// Names an option that belongs to every hook.
struct RudeHook {
    struct Options {
        int64_t priority = 1;
        void visit(OptionVisitor& v) { v.option("priority", priority, "its own"); }
    };
};

struct Plain {};

struct PredictionsHook {
    static constexpr Role role = roles::predictions;
};

struct ReportHook {
    static constexpr Role role = roles::report;
};

}  // namespace ailab::fake
