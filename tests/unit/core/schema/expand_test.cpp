#include <gtest/gtest.h>

#include <cstdlib>

#include "config/expand.hpp"
#include "config/formats.hpp"
#include "config/yaml_reader.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

struct Expansion {
    const char* name;
    std::string value;
    std::string result;
};

void PrintTo(const Expansion& e, std::ostream* out) {
    *out << e.name;
}

class Expansions : public testing::TestWithParam<Expansion> {
  protected:
    void SetUp() override {
        setenv("HOME", "/home/me", 1);
        setenv("AILAB_TEST_LR", "1e-3", 1);
        setenv("AILAB_TEST_INT", "12", 1);
        setenv("AILAB_TEST_ID", "007", 1);
        setenv("AILAB_TEST_EMPTY", "", 1);
        unsetenv("AILAB_TEST_UNSET");
    }
};

TEST_P(Expansions, StandFor) {
    Problems problems;
    Node root = read_yaml("work_dir: ~/runs\nname: \"12\"\nx: " + GetParam().value + "\n", "c.yaml",
                          problems);
    expand_variables(root, {{"seed", Node(Node::Value(int64_t(3)))}}, problems);
    ASSERT_TRUE(problems.empty()) << problems.list()[0].text;
    EXPECT_EQ(root.find("x")->flow(), GetParam().result);
}

const Expansion expansions[] = {
    {"key_of_the_file", "${work_dir}/logs", "/home/me/runs/logs"},
    {"in_quotes", "\"${work_dir}/logs\"", "/home/me/runs/logs"},
    {"in_a_list", "[a, \"${work_dir}\"]", "[a, /home/me/runs]"},
    {"in_a_map", "{k: {z: \"${work_dir}\"}}", "{k: {z: /home/me/runs}}"},
    {"default_of_a_key", "${seed}", "3"},
    {"a_string_stays_one", "${name}", "\"12\""},
    {"home", "${HOME}/data", "/home/me/data"},
    {"tilde", "~/data", "/home/me/data"},
    {"tilde_alone_is_null", "~", "null"},
    {"tilde_of_another_user", "~you/data", "\"~you/data\""},
    {"tilde_inside", "a/~/b", "a/~/b"},
    {"environment", "${env:AILAB_TEST_INT}", "12"},
    {"environment_in_quotes", "\"${env:AILAB_TEST_INT}\"", "12"},
    {"environment_in_text", "run${env:AILAB_TEST_INT}", "run12"},
    {"text_that_a_number_can_be_read_of", "${env:AILAB_TEST_LR}", "\"1e-3\""},
    {"leading_zeros_are_kept", "${env:AILAB_TEST_ID}", "\"007\""},
    {"set_but_empty", "${env:AILAB_TEST_EMPTY,x}", "\"\""},
    {"default", "${env:AILAB_TEST_UNSET,0.5}", "0.5"},
    {"default_with_comma", "\"${env:AILAB_TEST_UNSET,a,b}\"", "\"a,b\""},
    {"empty_default", "${env:AILAB_TEST_UNSET,}", "\"\""},
    {"default_with_variable", "\"${env:AILAB_TEST_UNSET,${work_dir}/x}\"", "/home/me/runs/x"},
    {"default_with_tilde", "\"${env:AILAB_TEST_UNSET,~/x}\"", "/home/me/x"},
    {"escaped", "\"$${HOME}\"", "\"${HOME}\""},
    {"dollar", "\"$5 {x}\"", "\"$5 {x}\""},
};
INSTANTIATE_TEST_SUITE_P(Config, Expansions, testing::ValuesIn(expansions),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(Expansions, NumbersAndTextsAreReadOfTheSameVariable) {
    const RunConfig config = parse(
        "model: {type: TinyModel, dropout: \"${env:AILAB_TEST_LR}\", note: "
        "\"${env:AILAB_TEST_LR}\"}\n"
        "data: {train: {type: ListData, root: \"${env:AILAB_TEST_ID}\"}}\n"
        "optimizer: {type: AdamW}\ntotal_epochs: ${env:AILAB_TEST_INT}\n");
    const Node& model = *config.resolved.find("model");
    EXPECT_EQ(model.find("dropout")->as_float(), 1e-3);
    EXPECT_EQ(model.find("note")->as_string(), "1e-3");
    EXPECT_EQ(config.resolved.find("data")->find("train")->find("root")->as_string(), "007");
    EXPECT_EQ(config.total_epochs, 12);
}

TEST_F(Expansions, VariablesThatMultiplyAreRefused) {
    std::string text;
    std::string previous = "0123456789";
    for (char key = 'a'; key < 'k'; ++key) {
        text += std::string(1, key) + ": \"" + previous + "\"\n";
        previous.clear();
        for (int i = 0; i < 10; ++i) previous += std::string("${") + key + "}";
    }
    Problems problems;
    Node root = read_yaml(text, "c.yaml", problems);
    expand_variables(root, {}, problems);
    ASSERT_FALSE(problems.empty());
    EXPECT_EQ(problems.list()[0].text,
              "this value expands to more than 65536 characters. Check for "
              "variables that multiply.");
}

TEST_F(Expansions, TheSavedConfigurationKeepsThem) {
    const RunConfig config = parse(
        "model: {type: TinyModel, hidden: \"${env:AILAB_TEST_INT,1}\", note: \"$${x}\"}\n"
        "data: {train: {type: ListData, root: \"${work_dir}/data\"}}\n"
        "optimizer: {type: AdamW, lr: \"${env:AILAB_TEST_LR}\"}\n"
        "work_dir: ${env:AILAB_TEST_UNSET,/tmp/w}\nglobal_batch_size: ${env:AILAB_TEST_INT}\n"
        "total_epochs: 1\n");
    const std::string saved = to_yaml(config.resolved);
    for (const char* line : {"  hidden: \"${env:AILAB_TEST_INT,1}\"\n", "  note: \"$${x}\"\n",
                             "    root: \"${work_dir}/data\"\n", "  lr: \"${env:AILAB_TEST_LR}\"\n",
                             "work_dir: \"${env:AILAB_TEST_UNSET,/tmp/w}\"\n",
                             "    global_batch_size: \"${env:AILAB_TEST_INT}\"\n"})
        EXPECT_NE(saved.find(line), std::string::npos) << line << saved;

    const RunConfig again = parse(saved);
    EXPECT_EQ(to_yaml(again.resolved), saved);
    EXPECT_EQ(again.resolved.flow(), config.resolved.flow());
    EXPECT_EQ(again.work_dir, "/tmp/w");
}

}  // namespace
}  // namespace ailab
