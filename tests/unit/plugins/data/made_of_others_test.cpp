// Datasets made of others: which samples they have, what those go through, and what is drawn for
// them.
#include <gtest/gtest.h>

#include <map>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;
using test::spec;

/// Images of 16 x 16 pixels that are all different: a crop of one pixel tells where it was.
class MadeOfOthers : public testing::Test {
  protected:
    static constexpr int64_t files = 16;

    void SetUp() override {
        std::string lines;
        for (int64_t i = 0; i < files; ++i) {
            const std::string name = concat("images/", 100 + i, ".png");
            const Tensor pixels = (at::arange(256, at::kInt) + i).remainder(256).to(at::kByte);
            folder.write(name, encode_png(pixels.view({1, 16, 16}).expand({3, 16, 16})));
            lines += concat(name, " ", i % 2, "\n");
        }
        folder.write("a.txt", lines);
    }
    /// With `more` options.
    std::string images(const std::string& more) const {
        return R"({"type": "ClassificationImageDataset", "annotation_file": ")" +
               folder.path("a.txt") + R"(", "img_prefix": ")" + folder.path() + "\"" + more + "}";
    }
    static std::string over(const std::string& type, const std::string& inner,
                            const std::string& more = "") {
        return R"({"type": ")" + type + R"(", "dataset": )" + inner + more + "}";
    }
    static std::string joined(const std::string& one, const std::string& other,
                              const std::string& more = "") {
        return R"({"type": "Concat", "datasets": [)" + one + ", " + other + "]" + more + "}";
    }
    /// The input of a sample, as the dataset of data.train gives it.
    static Tensor input(const std::string& json, int64_t index, const SampleContext& context = {}) {
        const ModuleSpec<Dataset> data = spec<Dataset>(json);
        const auto dataset = data.create();
        Sample sample = dataset->get(index, context.inside());
        Philox random = context.random(index);
        for (const auto& transform : make_transforms(*dataset, data.config))
            transform->apply(sample, random);
        sample.decode();
        return std::get<Tensor>(sample.fields.at("input"));
    }
    /// What share of the samples drew alike in two ways to ask for them.
    template <class One, class Other>
    static double alike(const One& one, const Other& other) {
        constexpr int64_t epochs = 4;
        int64_t count = 0;
        for (int64_t epoch = 0; epoch < epochs; ++epoch)
            for (int64_t i = 0; i < files; ++i) {
                SampleContext context;
                context.seed = 1;
                context.epoch = epoch;
                count += at::equal(one(i, context), other(i, context));
            }
        return double(count) / double(epochs * files);
    }

    TemporaryFolder folder;
    const std::string crop = R"(, "transforms": [{"type": "RandomCrop", "size": 1}])";
    const std::string list =
        R"(, "transforms": [{"type": "Resize", "size": 4}, {"type": "ToTensor"}])";
    static constexpr double by_chance = 0.1;  // one of 256 is expected
};

TEST_F(MadeOfOthers, AnEmptyListOfIndicesIsNotAllSamples) {
    EXPECT_TRUE(
        contains(error_of([&] { make<Dataset>(over("Subset", images(""), R"(, "indices": [])")); }),
                 "indices is empty: there would be no samples; leave it out for all"));
    const struct {
        const char* options;
        int64_t size;
    } rows[] = {{"", files},
                {R"(, "indices": null)", files},
                {R"(, "indices": [3])", 1},
                // As earlier versions saved it.
                {R"(, "indices": [], "begin": 2, "end": 5)", 3}};
    for (const auto& row : rows)
        EXPECT_EQ(make<Dataset>(over("Subset", images(""), row.options))->size(), row.size)
            << row.options;
}

TEST_F(MadeOfOthers, EachTimeThatASampleComesItIsAugmentedAnew) {
    const auto data = make<Dataset>(over("Repeat", over("Repeat", images(crop))));
    // Each of four copies, given twice by a sampler.
    struct Time {
        int64_t copy, repeat;
    };
    std::vector<Time> times;
    for (int64_t copy = 0; copy < 4; ++copy)
        for (const int64_t repeat : {0, 1}) times.push_back({copy, repeat});
    const auto at = [&](const Time& time) {
        return [&data, time](int64_t i, SampleContext context) {
            context.repeat = time.repeat;
            Sample sample = data->get(time.copy * files + i, context);
            sample.decode();
            return std::get<Tensor>(sample.fields.at("input"));
        };
    };
    for (size_t a = 0; a < times.size(); ++a)
        for (size_t b = 0; b < a; ++b)
            EXPECT_LT(alike(at(times[a]), at(times[b])), by_chance) << a << " " << b;
    EXPECT_EQ(alike(at(times[0]), at(times[0])), 1);
}

TEST_F(MadeOfOthers, TransformsOfSeveralLevelsDrawIndependently) {
    const auto flip = [](const std::string& direction) {
        return R"(, "transforms": [{"type": "Random)" + direction + R"(Flip"}])";
    };
    const std::string inner = images(flip("Horizontal")), none = images(R"(, "transforms": [])");
    for (const std::string& json :
         {over("Subset", inner, flip("Vertical")), joined(inner, none, flip("Vertical")),
          over("Repeat", over("Subset", inner, flip("Vertical"))),
          over("Subset", over("Repeat", over("Subset", inner)), flip("Vertical"))}) {
        SCOPED_TRACE(json);
        std::map<int64_t, int64_t> outcomes;  // by the pixel that comes first
        constexpr int64_t epochs = 20;
        SampleContext context;
        context.seed = 5;
        for (context.epoch = 0; context.epoch < epochs; ++context.epoch)
            for (int64_t i = 0; i < files; ++i) {
                const int64_t first = input(json, i, context)[0][0][0].item<int64_t>();
                ++outcomes[(first - i + 256) % 256];
            }
        for (const int64_t corner : {0, 15, 240, 255})
            EXPECT_NEAR(outcomes[corner], epochs * files / 4, 31) << "four deviations";
    }
}

TEST_F(MadeOfOthers, ThePartsOfAJoinedOneAreAugmentedIndependently) {
    const std::string inner = images(crop);
    for (const std::string& json : {joined(inner, inner), joined(joined(inner, inner), inner),
                                    joined(inner, joined(inner, inner))}) {
        const int64_t parts = make<Dataset>(json)->size() / files;
        const auto part = [&](int64_t number) {
            return [&json, number](int64_t i, const SampleContext& context) {
                return input(json, number * files + i, context);
            };
        };
        for (int64_t a = 0; a < parts; ++a)
            for (int64_t b = 0; b < a; ++b)
                EXPECT_LT(alike(part(a), part(b)), by_chance) << json << a << b;
    }
}

TEST_F(MadeOfOthers, DefaultTransformsAreAppliedOnceAndNotWhereThereIsAList) {
    const std::string plain = images(""), none = images(R"(, "transforms": [])");
    const Tensor by_default = input(plain, 3), by_list = input(images(list), 3);
    ASSERT_EQ(by_default.sizes(), at::IntArrayRef({3, 224, 224}));
    ASSERT_EQ(by_list.sizes(), at::IntArrayRef({3, 4, 4}));
    const struct {
        std::string json;
        const Tensor& expected;
    } rows[] = {{over("Subset", plain), by_default},
                {over("Repeat", plain), by_default},
                {over("ClassBalanced", plain), by_default},
                {over("Subset", over("Repeat", plain)), by_default},
                {joined(plain, plain), by_default},
                {over("Subset", plain, list), by_list},
                {over("Subset", over("Repeat", plain), list), by_list},
                {joined(plain, plain, list), by_list},
                {joined(plain, none, list), by_list},
                {over("Subset", none, list), by_list},
                {over("Subset", images(list)), by_list},
                {over("Subset", images(list), R"(, "transforms": [])"), by_list},
                {joined(images(list), none), by_list}};
    for (const auto& row : rows)
        EXPECT_TRUE(at::equal(input(row.json, 3), row.expected)) << row.json;
}

TEST_F(MadeOfOthers, WhatInferDoesToAnImageIsThatOnceToo) {
    const auto transforms = [&](const std::string& json) {
        const ModuleSpec<Dataset> data = spec<Dataset>(json);
        const auto dataset = data.create();
        const Node all = dataset->image_input()->transforms;
        const Node own = write_transforms(*dataset, data.config);
        return all.items().size() + own.items().size();
    };
    EXPECT_EQ(transforms(images("")), 2u);
    EXPECT_EQ(transforms(over("Subset", images(""))), 2u);
    EXPECT_EQ(transforms(over("Subset", images(""), list)), 2u);
    EXPECT_EQ(transforms(over("Subset", images(list))), 2u);
}

TEST_F(MadeOfOthers, JoinedOnesWithOtherDefaultsNeedAList) {
    folder.write("a.txt", "images/100.png images\n");  // the class that the folder is
    const std::string text = error_of([&] {
        input(joined(images(""), R"({"type": "ImageFolder", "root": ")" + folder.path() + "\"}"),
              0);
    });
    EXPECT_TRUE(contains(text, "what the samples of the datasets go through by default differs"))
        << text;
    EXPECT_TRUE(contains(text, "Give transforms, here or to each of the datasets")) << text;
}

}  // namespace
}  // namespace ailab
