// Integers that are a slip of the keyboard: refused with their place before anything is computed
// with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "config_case.hpp"

namespace ailab {
namespace {

struct TooLarge {
    const char* name;
    std::string text;
    std::string complaint;
};

void PrintTo(const TooLarge& one, std::ostream* out) {
    *out << one.name;
}

class TooLargeNumbers : public testing::TestWithParam<TooLarge> {};

TEST_P(TooLargeNumbers, AreRefusedWithPlaceAndBounds) {
    EXPECT_EQ(complaint(least + GetParam().text), GetParam().complaint);
}

const std::string train = "data: {train: {type: ListData, root: /d}, train_dataloader: {";

const TooLarge too_large[] = {
    {"threads", "runtime: {threads: 1000000000}\n",
     "c.yaml:5:20: runtime.threads must be between 0 and 1024, got 1000000000."},
    {"workflow", "workflow: [[train, 4611686018427387904]]\n",
     "c.yaml:5:20: workflow[0][1] must be between 1 and 1000000000, got 4611686018427387904."},
    {"workflow_iters", "workflow: [{phase: train, iters: 4611686018427387904}]\n",
     "c.yaml:5:34: workflow[0].iters must be between 1 and 1000000000000, got "
     "4611686018427387904."},
    {"workflow_epochs", "workflow: [{phase: train, epochs: 1e10}]\n",
     "c.yaml:5:35: workflow[0].epochs must be between 1 and 1000000000, got 10000000000."},
    {"total_iters", "total_iters: 9223372036854775807\n",
     "c.yaml:5:14: total_iters must be between 1 and 1000000000000, got 9223372036854775807.\n"
     "c.yaml:5:14: total_epochs and total_iters are both given. Remove one."},
    {"beyond_64_bits", "total_iters: 9223372036854775808\n",
     "c.yaml:5:14: total_iters must be an integer that fits 64 bits, got the number "
     "9223372036854775808.\n"
     "c.yaml:5:14: total_epochs and total_iters are both given. Remove one."},
    {"accumulative_counts", "accumulative_counts: 4611686018427387904\n",
     "c.yaml:5:22: accumulative_counts must be between 1 and 1000000000, got "
     "4611686018427387904."},
    {"val_interval", "val_interval: 4611686018427387904\n",
     "c.yaml:5:15: val_interval must be between 1 and 1000000000, got 4611686018427387904."},
    {"overfit_batches", "overfit_batches: 4611686018427387904\n",
     "c.yaml:5:18: overfit_batches must be between 1 and 1000000000, got 4611686018427387904."},
    {"global_batch_size", "global_batch_size: 4611686018427387904\n",
     "c.yaml:5:20: global_batch_size must be between 1 and 1000000000, got 4611686018427387904."},
    {"timeout", "dist: {timeout: 1e300}\n",
     "c.yaml:5:17: dist.timeout must be above 0, at most 1000000, got 1e+300."},
    {"world_size", "dist: {world_size: 2000000000}\n",
     "c.yaml:5:20: dist.world_size must be between 1 and 1000000, got 2000000000."},
    {"bucket_mb", "runtime: {bucket_mb: 1e300}\n",
     "c.yaml:5:22: runtime.bucket_mb must be above 0, at most 1000000, got 1e+300."},
};
INSTANTIATE_TEST_SUITE_P(Keys, TooLargeNumbers, testing::ValuesIn(too_large),
                         [](const auto& info) { return info.param.name; });

struct Loader {
    const char* option;
    const char* complaint;
};

TEST(TooLargeNumbers, OfALoaderAreRefusedWithPlaceAndBounds) {
    const Loader loaders[] = {
        {"num_workers: 1000000", "num_workers must be between -1 and 1024, got 1000000."},
        {"prefetch_factor: 1000000000000",
         "prefetch_factor must be between 1 and 1024, got 1000000000000."},
        {"batch_size: 4611686018427387904",
         "batch_size must be between 1 and 1000000000, got 4611686018427387904."},
        {"max_errors: 4611686018427387904",
         "max_errors must be between 0 and 1000000000000, got 4611686018427387904."},
    };
    for (const Loader& loader : loaders) {
        const std::string option = loader.option;
        const std::string text = concat("model: {type: TinyModel}\n", train, option,
                                        "}}\noptimizer: {type: AdamW}\ntotal_epochs: 1\n");
        const size_t column = train.size() + option.find(':') + 3;
        EXPECT_EQ(complaint(text),
                  concat("c.yaml:2:", column, ": data.train_dataloader.", loader.complaint));
    }
}

/// As --describe and the documents list it, so that no key is forgotten.
TEST(TooLargeNumbers, EveryIntegerOfTheSchemaSaysItsBounds) {
    for (const OptionField& field : describe_run_config()) {
        const bool is_integer = field.schema.str().find("integer") != std::string::npos;
        if (!is_integer || field.name == "seed") continue;
        EXPECT_TRUE(std::isfinite(field.bounds.max.value_or(INFINITY)))
            << field.name << ": " << field.bounds.str();
    }
}

TEST(TooLargeNumbers, TheLargestAreAccepted) {
    EXPECT_EQ(complaint(least + "runtime: {threads: 1024}\ndist: {timeout: 1000000}\n"
                                "workflow: [[train, 1000000000]]\n"),
              "accepted");
    EXPECT_EQ(complaint(least + "seed: 9223372036854775807\n"), "accepted");
}

/// What a module cannot be made of is said at its place, with the option that asked for it.
TEST(TooLargeNumbers, AModuleThatNeedsTooMuchMemoryNamesItsLargestOption) {
    for (const char* how : {"bad_alloc", "length", "overflow", "allocator"}) {
        const RunConfig config =
            parse(concat("model: {type: HungryModel, width: 4398046511104, how: ", how, "}\n",
                         least.substr(least.find('\n') + 1)));
        std::string text = "made";
        try {
            config.model.config.create();
        } catch (const ConfigError& error) {
            text = error.what();
        }
        EXPECT_EQ(
            text,
            "c.yaml:1:8: model \"HungryModel\" of libfake.so (fake.cpp:1): there is not enough "
            "memory for it; the largest number among its options is width, 4398046511104. "
            "Make it smaller.")
            << how;
    }
}

}  // namespace
}  // namespace ailab
