// Fields as a data set declares them: held against samples, and laid in batches.
#include "modules/fields.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/data/fake_samples.hpp"
#include "data/batch_maker.hpp"

namespace ailab {
namespace {

using test::error_of;

/// Samples that are what `make` says.
class Declared : public Dataset {
  public:
    using Make = std::function<Sample(int64_t)>;
    Declared(FieldSpecs specs, Make make, int64_t size = 3)
        : specs_(std::move(specs)), make_(std::move(make)), size_(size) {}
    int64_t size() const override { return size_; }
    FieldSpecs field_specs() const override { return specs_; }
    Sample get(int64_t i, const SampleContext&) const override { return make_(i); }
    std::string sample_name(int64_t i) const override { return concat("file", i); }

  private:
    const FieldSpecs specs_;
    const Make make_;
    const int64_t size_;
};

Sample sample_with(std::map<std::string, SampleField> fields) {
    Sample sample;
    sample.fields = std::move(fields);
    return sample;
}

/// The first batch of all samples, or what making it says.
MadeBatch first_batch(std::shared_ptr<const Dataset> dataset,
                      std::vector<std::shared_ptr<const Transform>> transforms = {}) {
    LoaderOptions options;
    options.plan = {.samples = dataset->size(), .batch_size = dataset->size()};
    options.specs = specs_of(*dataset);
    options.dataset = std::move(dataset);
    std::vector<int64_t> in_order(size_t(options.plan.samples));
    std::iota(in_order.begin(), in_order.end(), int64_t(0));
    options.sampler = std::make_shared<test::FixedOrder>(in_order);
    options.transforms = std::move(transforms);
    options.name = "data.train";
    return BatchMaker(options).make(0, Batch());
}

std::string text_of(const std::exception_ptr& error) {
    return error_of([&] {
        if (error) std::rethrow_exception(error);
    });
}

Batch batch_of(const FieldSpec& spec, const std::vector<Tensor>& values) {
    MadeBatch made = first_batch(std::make_shared<Declared>(
        FieldSpecs{spec},
        [&](int64_t i) {
            return sample_with({{spec.name, values[size_t(i)]}});
        },
        int64_t(values.size())));
    if (made.error) std::rethrow_exception(made.error);
    return std::move(made.batch);
}

TEST(Fields, OfWhichNothingIsSaidLieAsTheyCome) {
    const FieldSpec automatic{.name = "x"};
    EXPECT_EQ(batch_of(automatic, {at::ones({2}), at::ones({2}), at::ones({2})}).tensor("x").dim(),
              2);
    EXPECT_EQ(
        batch_of(automatic, {at::ones({2}), at::ones({3}), at::ones({2})}).tensors("x").size(), 3U);
}

TEST(Fields, AListIsOneForAnyShapes) {
    const FieldSpec list{.name = "boxes", .layout = BatchLayout::list};
    const Batch batch = batch_of(list, {at::ones({2, 4}), at::ones({2, 4}), at::ones({2, 4})});
    EXPECT_EQ(batch.tensors("boxes").size(), 3U);
}

TEST(Fields, PaddedOnesHaveTheirLengths) {
    const FieldSpec spec{
        .name = "t", .layout = BatchLayout::pad, .pad_value = -1, .pad_multiple = 4};
    const Batch batch = batch_of(spec, {at::arange(3), at::arange(5), at::empty({0}, at::kLong)});
    const Tensor expected = at::tensor({0,  1,  2,  -1, -1, -1, -1, -1,  //
                                        0,  1,  2,  3,  4,  -1, -1, -1,  //
                                        -1, -1, -1, -1, -1, -1, -1, -1},
                                       at::kLong)
                                .view({3, 8});
    EXPECT_TRUE(batch.tensor("t").equal(expected));
    EXPECT_TRUE(batch.tensor("t_length").equal(at::tensor({3, 5, 0}, at::kLong)));
    const Padding padding = padding_of(batch, spec);
    EXPECT_EQ(padding.all, 24);
    EXPECT_EQ(padding.filled, 16);
}

TEST(Fields, ArePaddedInSeveralDimensionsAsImagesAre) {
    const FieldSpec spec{.name = "image",
                         .role = FieldRole::image,
                         .layout = BatchLayout::pad,
                         .pad_value = 7,
                         .pad_multiple = 4,
                         .pad_dims = {-2, -1}};
    const Batch batch = batch_of(spec, {at::ones({3, 2, 5}), at::ones({3, 6, 1})});
    const Tensor image = batch.tensor("image");
    EXPECT_EQ(image.sizes(), at::IntArrayRef({2, 3, 8, 8}));
    EXPECT_TRUE(
        batch.tensor("image_length").equal(at::tensor({2, 5, 6, 1}, at::kLong).view({2, 2})));
    EXPECT_EQ(image[0].eq(1).sum().item<int64_t>(), 3 * 2 * 5);
    EXPECT_EQ(image[1].slice(1, 0, 6).slice(2, 0, 1).eq(1).sum().item<int64_t>(), 3 * 6);
    EXPECT_EQ(image.eq(7).sum().item<int64_t>(), 2 * 3 * 64 - 3 * 10 - 3 * 6);
    const Padding padding = padding_of(batch, spec);
    EXPECT_EQ(padding.all, 384);
    EXPECT_EQ(padding.filled, 384 - 30 - 18);
}

TEST(Fields, OneAfterAnotherHaveTheirOffsets) {
    const FieldSpec spec{.name = "nodes", .layout = BatchLayout::concat};
    const Batch batch =
        batch_of(spec, {at::full({2, 3}, 1.0), at::empty({0, 3}), at::full({1, 3}, 2.0)});
    EXPECT_TRUE(batch.tensor("nodes").select(1, 0).equal(at::tensor({1.0F, 1.0F, 2.0F})));
    EXPECT_TRUE(batch.tensor("nodes_offsets").equal(at::tensor({0, 2, 2, 3}, at::kLong)));
    EXPECT_EQ(batch.size, 3);
}

TEST(Fields, OneSampleIsTakenOutOfABatch) {
    const FieldSpecs specs = {{.name = "nodes", .layout = BatchLayout::concat}};
    Batch batch;
    batch.size = 2;
    batch.set("nodes", at::arange(5));
    batch.set("nodes_offsets", at::tensor({0, 2, 5}, at::kLong));
    batch.set("x", at::arange(4).view({2, 2}));
    batch.set("list", std::vector<Tensor>{at::zeros({1}), at::ones({2})});
    batch.set("text", std::vector<std::string>{"a", "b"});
    const Batch one = sample_of_batch(batch, 1, &specs);
    EXPECT_TRUE(one.tensor("nodes").equal(at::tensor({2, 3, 4}, at::kLong)));
    EXPECT_TRUE(one.tensor("nodes_offsets").equal(at::tensor({0, 3}, at::kLong)));
    EXPECT_TRUE(one.tensor("x").equal(at::tensor({2, 3}, at::kLong).view({1, 2})));
    EXPECT_EQ(one.tensors("list")[0].size(0), 2);
    EXPECT_EQ(one.strings("text"), std::vector<std::string>{"b"});
}

TEST(Fields, AreNamedForBindings) {
    const Declared dataset({{.name = "tokens", .layout = BatchLayout::pad},
                            {.name = "nodes", .layout = BatchLayout::concat},
                            {.name = "label"}},
                           {});
    EXPECT_EQ(dataset.fields(), (std::vector<std::string>{"tokens", "nodes", "label"}));
    EXPECT_EQ(batch_fields(dataset), (std::vector<std::string>{"tokens", "nodes", "label",
                                                               "tokens_length", "nodes_offsets"}));
    EXPECT_EQ(Declared({}, {}).fields(), (std::vector<std::string>{"input", "target"}));
}

TEST(Fields, ThatMakeNoSenseAreRefused) {
    struct Case {
        FieldSpecs specs;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {{{.name = "x"}, {.name = "x"}}, "field \"x\" makes no sense: it is declared twice"},
        {{{.name = ""}}, "one has no name"},
        {{{.name = "x", .layout = BatchLayout::pad, .pad_multiple = 0}}, "pad_multiple is 0"},
        {{{.name = "x", .layout = BatchLayout::pad, .pad_dims = {}}}, "pad_dims is empty"},
        {{{.name = "x", .layout = BatchLayout::pad}, {.name = "x_length"}},
         "\"x_length\" makes no sense: the lengths of \"x\" are called so"},
        {{{.name = "x", .layout = BatchLayout::concat}, {.name = "x_offsets"}},
         "the offsets of \"x\" are called so"},
        {{{.name = "x", .belongs_to = "boxes"}}, "belongs_to names \"boxes\", which is not"},
        {{{.name = "x", .belongs_to = "y"}, {.name = "y"}}, "not declared as boxes"},
        {{{.name = "x", .flip_indices = {1, 0}}}, "flip_indices are for keypoints"},
        {{{.name = "x", .role = FieldRole::keypoints, .flip_indices = {1, 1}}},
         "each number from 0 to 1 once"},
    };
    for (const Case& row : table) {
        const std::string error = error_of([&] { specs_of(Declared(row.specs, {})); });
        EXPECT_NE(error.find(row.complaint), std::string::npos) << error;
    }
    EXPECT_EQ(specs_of(Declared({}, {})), nullptr);
}

TEST(Fields, SamplesThatDoNotHoldThemAreRefusedByFieldSampleAndPlace) {
    const Tensor one_box = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 4});
    struct Case {
        FieldSpecs specs;
        std::map<std::string, SampleField> sample;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {{{.name = "x"}},
         {{"y", at::ones({1})}},
         "the sample has no field \"x\", which the data set declares; its fields: y"},
        {{{.name = "x", .dtype = at::kLong}},
         {{"x", at::ones({1})}},
         "field \"x\": it is declared as Long and holds [1] Float"},
        {{{.name = "x", .layout = BatchLayout::pad}},
         {{"x", std::string("a")}},
         "field \"x\": it is declared as a tensor and holds text"},
        {{{.name = "b", .role = FieldRole::boxes}},
         {{"b", at::ones({0})}},
         "field \"b\": boxes are [n, 4] of floating point (without any: [0, 4]), and it holds [0] "
         "Float"},
        {{{.name = "b", .role = FieldRole::boxes}},
         {{"b", at::ones({1, 4}, at::kLong)}},
         "and it holds [1, 4] Long"},
        {{{.name = "b", .role = FieldRole::boxes}},
         {{"b", one_box.flip(1)}},
         "field \"b\": box 0 is 4, 3, 2, 1; they are left, top, right, bottom"},
        {{{.name = "b", .role = FieldRole::boxes}},
         {{"b", one_box * std::nan("")}},
         "box 0 is nan"},
        {{{.name = "k", .role = FieldRole::keypoints}},
         {{"k", at::ones({2, 4})}},
         "field \"k\": keypoints are [..., 2] or [..., 3]"},
        {{{.name = "k", .role = FieldRole::keypoints, .flip_indices = {1, 0}}},
         {{"k", at::ones({3, 2})}},
         "field \"k\": flip_indices are for 2 keypoints, and it holds [3, 2] Float"},
        {{{.name = "m", .role = FieldRole::mask}},
         {{"m", at::ones({3})}},
         "field \"m\": an image or"},
        {{{.name = "b", .role = FieldRole::boxes}, {.name = "l", .belongs_to = "b"}},
         {{"b", one_box}, {"l", at::ones({2})}},
         "field \"l\": it has [2] Float, and belongs to 1 boxes (\"b\")"},
    };
    for (const Case& row : table) {
        const MadeBatch made = first_batch(std::make_shared<Declared>(
            row.specs, [&](int64_t) { return sample_with(row.sample); }));
        const std::string error = text_of(made.error);
        EXPECT_NE(error.find(row.complaint), std::string::npos) << error;
        EXPECT_TRUE(error.starts_with("data.train, sample 0 (file0): ")) << error;
    }
}

TEST(Fields, SamplesOfABatchThatAreNotAlikeAreRefusedByFieldSampleAndPlace) {
    struct Case {
        BatchLayout layout;
        Tensor other;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {BatchLayout::stack, at::ones({3, 2}),
         "data.train, sample 1 (file1): field \"x\" is [3, 2] Float here and [2, 2] Float in "
         "sample "
         "0 (file0); its values must be of one shape in a batch"},
        {BatchLayout::pad, at::ones({2, 3}), "must be of one shape but for the dimensions"},
        {BatchLayout::pad, at::ones({2}), "is [2] Float here and [2, 2] Float"},
        {BatchLayout::concat, at::ones({2, 3}), "must be of one shape but for the first dimension"},
        {BatchLayout::stack, at::ones({2, 2}, at::kLong), "is [2, 2] Long here"},
    };
    for (const Case& row : table) {
        const MadeBatch made = first_batch(std::make_shared<Declared>(
            FieldSpecs{{.name = "x", .layout = row.layout}}, [&](int64_t i) {
                return sample_with({{"x", i == 0 ? at::ones({2, 2}) : row.other}});
            }));
        const std::string error = text_of(made.error);
        EXPECT_NE(error.find(row.complaint), std::string::npos) << error;
    }
}

/// Writes straight into the batch's memory.
class WritesOnes : public Transform {
  public:
    void apply(Sample& sample, Philox&) const override { sample.tensor("x").fill_(1); }
    std::optional<FieldLayout> layout(const Sample& sample) const override {
        return FieldLayout{"x", sample.tensor("x").sizes().vec(), at::kFloat};
    }
    void write(Sample&, Philox&, Tensor& out) const override { out.fill_(1); }
};

TEST(Fields, OfSeveralShapesAreNotWrittenStraightIntoTheBatch) {
    const FieldSpec spec{.name = "x", .layout = BatchLayout::pad};
    MadeBatch made =
        first_batch(std::make_shared<Declared>(FieldSpecs{spec},
                                               [](int64_t i) {
                                                   return sample_with({{"x", at::zeros({i + 1})}});
                                               }),
                    {std::make_shared<WritesOnes>()});
    ASSERT_FALSE(made.error) << text_of(made.error);
    EXPECT_EQ(made.batch.tensor("x").sum().item<double>(), 6);
    EXPECT_EQ(made.batch.tensor("x").sizes(), at::IntArrayRef({3, 3}));
}

}  // namespace
}  // namespace ailab
