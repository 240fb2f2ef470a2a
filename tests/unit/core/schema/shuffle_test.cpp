// `shuffle` and a sampler: one of them decides on the order.
#include <gtest/gtest.h>

#include "config_case.hpp"

namespace ailab {
namespace {

std::string with_loader(const std::string& phase, const std::string& loader) {
    return "model: {type: TinyModel}\n"
           "data: {train: {type: ListData, root: /d}, val: {type: ListData, root: /d}, " +
           phase + "_dataloader: {" + loader +
           "}}\n"
           "optimizer: {type: AdamW}\n"
           "total_epochs: 1\n";
}

TEST(Shuffle, BesideASamplerIsRefused) {
    const struct {
        const char* phase;
        const char* value;
    } refused[] = {{"train", "false"}, {"val", "true"}};
    for (const auto& row : refused) {
        const std::string text = complaint(with_loader(
            row.phase, std::string("sampler: {type: DefaultSampler}, shuffle: ") + row.value));
        const std::string path = std::string("data.") + row.phase + "_dataloader.shuffle";
        EXPECT_EQ(text.substr(0, 9), "c.yaml:2:") << text;
        EXPECT_NE(text.find(path + " and a sampler are both given, and the sampler DefaultSampler "
                                   "decides on the order. Remove shuffle"),
                  std::string::npos)
            << text;
    }
}

TEST(Shuffle, IsAcceptedAloneAndAsEarlierVersionsSavedIt) {
    for (const char* loader : {"shuffle: false", "shuffle: true", "sampler: {type: DefaultSampler}",
                               "sampler: {type: DefaultSampler}, shuffle: null",
                               "sampler: {type: DefaultSampler}, shuffle: true"})
        EXPECT_EQ(complaint(with_loader("train", loader)), "accepted") << loader;
    EXPECT_EQ(complaint(with_loader("val", "sampler: {type: DefaultSampler}, shuffle: false")),
              "accepted");
}

TEST(Shuffle, IsNotSavedBesideASampler) {
    const RunConfig config = parse(with_loader("train", "sampler: {type: DefaultSampler}"));
    const Node* loader = config.resolved.find("data")->find("train_dataloader");
    EXPECT_TRUE(loader->find("shuffle")->is_null());
}

}  // namespace
}  // namespace ailab
