#include "plugin/module_table.hpp"

#include <gtest/gtest.h>

namespace ailab::plugin {
namespace {

ModuleEntry entry(const std::string& kind, const std::string& name, const std::string& plugin) {
    ModuleEntry made;
    made.kind = kind;
    made.name = name;
    made.plugin = plugin;
    made.origin = "lib" + plugin + ".so (" + name + ".cpp:3)";
    return made;
}

TEST(ModuleTable, FindsByKindAndName) {
    ModuleTable table;
    table.add({std::make_shared<ModuleEntry>(entry("model", "Net", "a")),
               std::make_shared<ModuleEntry>(entry("loss", "Net", "a"))});
    table.add({std::make_shared<ModuleEntry>(entry("model", "Net", "b"))});
    ASSERT_EQ(table.find("model", "Net").size(), 2u);
    EXPECT_EQ(table.find("model", "Net")[1]->plugin, "b");
    EXPECT_EQ(table.find("loss", "Net").size(), 1u);
    EXPECT_EQ(table.find("metric", "Net").size(), 0u);
    EXPECT_EQ(table.list("").size(), 3u);
    EXPECT_EQ(table.list("model").size(), 2u);
}

TEST(ModuleTable, ANameMayBeginWithItsPlugin) {
    EXPECT_EQ(QualifiedName("Net").plugin, "");
    EXPECT_EQ(QualifiedName("Net").name, "Net");
    EXPECT_EQ(QualifiedName("my/Net").plugin, "my");
    EXPECT_EQ(QualifiedName("my/Net").name, "Net");
}

TEST(ModuleTable, SaysWhyANameOfTwoMeansNone) {
    EXPECT_EQ(
        ambiguous_name({entry("model", "Net", "a"), entry("model", "Net", "b")}),
        "model \"Net\" is registered by liba.so (Net.cpp:3) and by libb.so (Net.cpp:3). Write "
        "a/Net or b/Net, or drop one plugin.");
}

TEST(ModuleTable, SaysWhatAnUnknownNameMayHaveMeant) {
    const std::vector<ModuleEntry> known = {entry("model", "ResNet50", "vision"),
                                            entry("model", "ResNet18", "vision"),
                                            entry("metric", "Accuracy", "metrics")};
    EXPECT_EQ(
        unknown_name("model", "ResNt50", known, {"my"}),
        "unknown model \"ResNt50\"; did you mean \"ResNet50\"? There are: ResNet18, ResNet50. "
        "Plugins loaded: my.");
    EXPECT_EQ(unknown_name("model", "my/ResNt50", known, {"my"}),
              "unknown model \"my/ResNt50\"; did you mean \"ResNet50\"? There are: ResNet18, "
              "ResNet50. Plugins loaded: my.");
    EXPECT_EQ(
        unknown_name("loss", "Accuracy", known, {}),
        "unknown loss \"Accuracy\" (there is a metric of that name). There is no loss at all. "
        "No plugin is loaded: is --plugins missing?");
    EXPECT_EQ(
        unknown_name("model", "Mine", known, {}, {"libmy.so"}),
        "unknown model \"Mine\". There are: ResNet18, ResNet50. It may be in what could not be "
        "loaded: libmy.so.");
}

}  // namespace
}  // namespace ailab::plugin
