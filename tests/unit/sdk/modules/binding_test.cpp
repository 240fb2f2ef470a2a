#include "ailab/binding.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ailab {
namespace {

Batch fields(std::initializer_list<const char*> names) {
    Batch batch;
    double value = 0;
    for (const char* name : names) batch.set(name, at::full({1}, ++value));
    return batch;
}

double bound(const Batch& batch, const char* name) {
    return batch.tensor(name).item<double>();
}

struct Accepted {
    const char* what;
    Batch batch;
    std::vector<std::string> inputs;
    std::map<std::string, std::string> mapping;
    std::vector<double> expected;  // which field each input is bound to, by number
};

TEST(Bind, Accepts) {
    const Accepted table[] = {
        {"equal names", fields({"output", "target"}), {"output", "target"}, {}, {1, 2}},
        {"a renamed field",
         fields({"a", "b"}),
         {"output", "target"},
         {{"output", "a"}, {"target", "b"}},
         {1, 2}},
        {"pred for output, label for target",
         fields({"a", "b"}),
         {"output", "target"},
         {{"pred", "a"}, {"label", "b"}},
         {1, 2}},
        {"preds and targets",
         fields({"a", "b"}),
         {"output", "target"},
         {{"preds", "a"}, {"targets", "b"}},
         {1, 2}},
        {"input for output",
         fields({"a", "target"}),
         {"output", "target"},
         {{"input", "a"}},
         {1, 2}},
        {"label in place of a missing target",
         fields({"output", "label"}),
         {"output", "target"},
         {},
         {1, 2}},
        {"target before label",
         fields({"output", "label", "target"}),
         {"output", "target"},
         {},
         {1, 3}},
        {"a model's own names", fields({"image", "mask"}), {"image", "mask"}, {}, {1, 2}},
    };
    for (const Accepted& c : table) {
        Binding binding;
        binding.mapping = c.mapping;
        const Batch result = bind_inputs(c.batch, c.inputs, binding, "loss \"L\"");
        for (size_t i = 0; i < c.inputs.size(); ++i)
            EXPECT_EQ(bound(result, c.inputs[i].c_str()), c.expected[i]) << c.what;
        InputBinding again(c.inputs, binding, "loss \"L\"");
        for (int round = 0; round < 2; ++round) {
            const InputBinding::Bound taken = again.bind(c.batch);
            EXPECT_EQ(taken->fields.size(), result.fields.size()) << c.what;
            for (size_t i = 0; i < c.inputs.size(); ++i)
                EXPECT_EQ(bound(*taken, c.inputs[i].c_str()), c.expected[i]) << c.what;
        }
    }
}

// A loader uses the memory of tensors again that nobody holds, and outputs hold a graph.
TEST(InputBindings, LetTensorsGo) {
    InputBinding binding({"input", "target"}, {}, "model");
    Batch batch = fields({"input", "target"});
    batch.ids = {4, 7};
    batch.size = 2;
    batch.global_size = 6;
    const auto holders = [&] { return batch.tensor("input").use_count(); };
    {
        const InputBinding::Bound taken = binding.bind(batch);
        EXPECT_EQ(holders(), 2);
        EXPECT_EQ(taken->ids, batch.ids);
        EXPECT_EQ(taken->size, 2);
        EXPECT_EQ(taken->global_size, 6);
    }
    EXPECT_EQ(holders(), 1);
    const Tensor input = batch.tensor("input");
    EXPECT_THROW(binding.bind(Batch{{"input", input}}), Error);
    EXPECT_EQ(holders(), 2) << "the batch, and `input`";
}

TEST(Bind, AMissingFieldNamesWhatIsThereAndTheNearest) {
    try {
        bind_inputs(fields({"input", "targt"}), {"input", "target"}, {}, "model \"Net\"");
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(
            error.what(),
            "model \"Net\" takes \"target\", which is not there; the fields are input [1] "
            "Float, targt [1] Float; did you mean \"targt\"? Bind it with mapping: {target: "
            "<field>}.");
    }
}

TEST(CheckBinding, FindsMistakesBeforeTheRun) {
    ModuleConfig config;
    Problems problems;
    check_binding({"input", "label", "output"}, {"output", "target"}, config, "loss", problems);
    EXPECT_TRUE(problems.empty());
    check_binding({}, {"anything"}, config, "model", problems);  // unknown fields: no check
    EXPECT_TRUE(problems.empty());
    config.binding.mapping = {{"nonsense", "output"}, {"target", "lable"}};
    check_binding({"input", "label", "output"}, {"output", "target"}, config, "loss", problems);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems.list()[0].text,
              "loss has no input \"nonsense\" to map; it takes output, target");
    EXPECT_EQ(
        problems.list()[1].text,
        "loss takes \"target\" from field \"lable\", which is not there; the fields are input, "
        "label, output; did you mean \"label\"? Bind it with mapping: {target: <field>}.");
}

}  // namespace
}  // namespace ailab
