#include "run_schema.hpp"

#include <functional>
#include <limits>

#include "limits.hpp"
#include "regex_problem.hpp"

namespace ailab {

void visit_section(OptionVisitor& v, DistConfig& dist) {
    ModuleName<Backend> backend{dist.backend};
    v.option("backend", backend, "how the ranks communicate: shm, mpi, gloo, nccl, or a plugin's");
    v.option("init_method", dist.init_method, "env://, tcp://host:port or file:///path");
    v.option("world_size", dist.world_size, "checked against the launcher's",
             between(1, most_ranks));
    v.option("timeout", dist.timeout, "seconds that a collective, or a sample, may take",
             {.min = 0, .max = most_seconds, .exclusive_min = true});
    v.option("require_secret", dist.require_secret,
             "refuse to run where the ranks of several hosts share no secret (AILAB_SECRET)");
}

void visit_section(OptionVisitor& v, DataConfig& data) {
    v.option("train", data.train, "data to train on");
    v.option("val", data.val, "data to validate on");
    v.option("test", data.test, "data to test on");
    v.option("train_dataloader", data.train_dataloader, "how data.train is read");
    v.option("val_dataloader", data.val_dataloader, "how data.val is read");
    v.option("test_dataloader", data.test_dataloader, "how data.test is read");
}

void visit_section(OptionVisitor& v, DataloaderConfig& loader) {
    v.option("batch_size", loader.batch_size, "samples a rank and step; 32 if not given",
             between(1, most_samples));
    v.option("global_batch_size", loader.global_batch_size,
             "samples a step of all ranks together, in place of batch_size",
             between(1, most_samples));
    v.option("num_workers", loader.num_workers, "loader threads; -1: chosen from the cores",
             between(-1, most_threads));
    v.option("prefetch_factor", loader.prefetch_factor, "batches made ready ahead",
             between(1, most_batches_ahead));
    v.option("drop_last", loader.drop_last, "leave the last, smaller batch out");
    v.option("shuffle", loader.shuffle, "true for training if not given");
    v.option("pin_memory", loader.pin_memory, "batches in memory that a GPU copies from fast");
    v.option("persistent_workers", loader.persistent_workers, "accepted; threads always persist");
    v.option("sampler", loader.sampler, "gives the order of samples");
    v.option("on_error", loader.on_error,
             "a sample that cannot be read is left out (skip) or ends the run (fail); skip for "
             "training, fail otherwise, if not given",
             one_of({"skip", "fail"}));
    v.option("max_errors", loader.max_errors,
             "the run ends when more samples of an epoch are left out; a tenth of the samples, at "
             "least 10, if not given",
             between(0, most_steps));
    v.rule([&loader] {
        return loader.batch_size && loader.global_batch_size
                   ? std::string(
                         "batch_size (a rank's) and global_batch_size (of all ranks) are both "
                         "given. Remove one.")
                   : "";
    });
}

void visit_section(OptionVisitor& v, RuntimeConfig& runtime) {
    ModuleName<Device> device{runtime.device};
    v.option("device", device, "what computes: cpu, cuda, or a plugin's");
    v.option("dtype", runtime.dtype, "of parameters and inputs", one_of({"float32", "float64"}));
    v.option("allocator", runtime.allocator, "of CPU memory", one_of({"caching", "system"}));
    v.option("channels_last", runtime.channels_last, "memory order of convolutional models");
    v.option("threads", runtime.threads, "compute threads a rank; 0: chosen from the cores",
             between(0, most_threads));
    v.option("bucket_mb", runtime.bucket_mb, "size of the gradients' buckets",
             {.min = 0, .max = most_megabytes, .exclusive_min = true});
    v.option("recompute", runtime.recompute,
             "blocks of the model keep no activations: the backward pass computes them again, "
             "which saves memory and costs time");
    v.option("deterministic", runtime.deterministic, "deterministic kernels only");
    v.option("cudnn_benchmark", runtime.cudnn_benchmark,
             "on a GPU: convolutions try the algorithms there are and take the fastest; a resumed "
             "run may then differ in the last bits");
    v.rule([&runtime] {
        return runtime.deterministic && runtime.cudnn_benchmark
                   ? std::string(
                         "deterministic and cudnn_benchmark exclude each other. Remove one.")
                   : "";
    });
}

void visit_section(OptionVisitor& v, ClipConfig& clip) {
    v.option("max_norm", clip.max_norm, "gradients with a larger norm are scaled down to it",
             above(0));
    v.option("norm_type", clip.norm_type, "which norm: 2, 1, .inf",
             {.min = 0, .max = std::numeric_limits<double>::infinity(), .exclusive_min = true});
    v.option("max_value", clip.max_value, "no number of a gradient exceeds it", above(0));
}

void visit_section(OptionVisitor& v, ParamRule& rule) {
    v.option("lr_mult", rule.lr_mult,
             "times the learning rate; by default 1, and of biases bias_lr_mult", at_least(0));
    v.option("decay_mult", rule.decay_mult,
             "times the weight decay; by default 1, and of norms and biases what is said of these",
             at_least(0));
    v.option("freeze", rule.freeze, "the parameters are not trained");
}

void visit_section(OptionVisitor& v, ParamwiseConfig& paramwise) {
    v.option("norm_decay_mult", paramwise.norm_decay_mult,
             "times the weight decay of norm layers' parameters", at_least(0));
    v.option("bias_decay_mult", paramwise.bias_decay_mult,
             "times the weight decay of the other layers' biases", at_least(0));
    v.option("bias_lr_mult", paramwise.bias_lr_mult,
             "times the learning rate of the other layers' biases", at_least(0));
    v.option("custom_keys", paramwise.custom_keys,
             "regular expression over parameter names: {lr_mult, decay_mult, freeze}; the longest "
             "that matches counts");
    v.rule([&paramwise] {
        for (const auto& [pattern, rule] : paramwise.custom_keys)
            if (std::string problem = regex_problem("custom_keys", pattern); !problem.empty())
                return problem;
        return std::string();
    });
}

void RunSchema::visit(OptionVisitor& v) {
    v.option("seed", config.seed, "of every random number");
    v.option("work_dir", config.work_dir, "folder of the runs");
    v.option("resume_from", config.resume_from, "a checkpoint, \"auto\", or nothing");
    v.option("load_from", config.load_from,
             "a checkpoint or model.safetensors whose weights the model starts with");
    v.option("plugins", config.plugins, "plugin files or names");
    v.option("dist", config.dist, "distribution");
    v.required("model", config.model, "the model");
    v.required("data", config.data, "the data sets and how they are read");
    v.option("global_batch_size", global_batch_size, "that of data.train_dataloader",
             between(1, most_samples));
    v.option("loss", config.loss, "the loss");
    v.option("task", config.task,
             "what the outputs mean, for predictions: a name, or a module with options; chosen by "
             "the loss if not given");
    v.option("optimizer", config.optimizers, "one, or a map of named ones");
    v.option("workflow", config.workflow,
             "phases of a round; if not given [[train, 1]], with data.val [[train, 1], [val, 1]]");
    v.option("total_epochs", config.total_epochs, "rounds of the run", between(1, most_rounds));
    v.option("total_iters", config.total_iters, "training iterations, in place of total_epochs",
             between(1, most_steps));
    v.option("hooks", config.hooks, "named hooks");
    v.option("runtime", config.runtime, "what is done around the model");
    v.option("accumulative_counts", config.accumulative_counts,
             "iterations whose gradients make one optimizer step", between(1, most_rounds));
    v.option("clip_grad", config.clip_grad, "clipping of gradients");
    v.option("paramwise_cfg", config.paramwise_cfg, "options of single parameters");
    v.option("norm_eval", config.norm_eval,
             "regular expressions over module names: batch norms that keep their running "
             "statistics while training; ['.*'] for all");
    v.option("val_interval", config.val_interval, "rounds from one val phase to the next",
             between(1, most_rounds));
    v.option(
        "overfit_batches", config.overfit_batches,
        "train and validate on the same first so many batches, to see that the model can learn",
        between(1, most_rounds));
}

OptionSchema run_config_schema() {
    RunConfig config;
    RunSchema schema{config, {}};
    return OptionSchema::section_of(describe_options([&](OptionVisitor& v) { schema.visit(v); }));
}

std::vector<OptionField> describe_run_config() {
    std::vector<OptionField> keys;
    const std::function<void(const std::string&, const OptionSchema&)> append =
        [&](const std::string& prefix, const OptionSchema& section) {
            for (const OptionField& field : section.fields) {
                if (field.schema.kind == OptionSchema::Kind::section) {
                    append(prefix + field.name + ".", field.schema);
                    continue;
                }
                keys.push_back(field);
                keys.back().name = prefix + field.name;
            }
        };
    append("", run_config_schema());
    return keys;
}

}  // namespace ailab
