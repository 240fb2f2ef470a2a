#include "plugin/builtin_index.hpp"

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace ailab::plugin {
namespace {

const std::string index_text = R"({"plugin": "vision", "file": "libvision.so", "version": "1",
  "modules": [{"kind": "model", "name": "ResNet50", "doc": "fifty layers", "source": "resnet.cpp",
               "line": 12, "options": []}]})";

TEST(BuiltinIndex, KnowsModulesWithoutLoadingAnything) {
    const TemporaryFolder folder;
    folder.write("libvision.so", "is not read");
    folder.write("vision.json", index_text);
    const BuiltinIndex index(folder.path());
    ASSERT_EQ(index.plugins().size(), 1u);
    const IndexedPlugin& plugin = index.plugins().front();
    EXPECT_EQ(plugin.name, "vision");
    EXPECT_EQ(plugin.path, folder.path("libvision.so"));
    ASSERT_EQ(plugin.modules.size(), 1u);
    EXPECT_EQ(plugin.modules[0].kind, "model");
    EXPECT_EQ(plugin.modules[0].name, "ResNet50");
    EXPECT_EQ(plugin.modules[0].doc, "fifty layers");
    EXPECT_EQ(plugin.modules[0].origin, "libvision.so (resnet.cpp:12)");
    EXPECT_EQ(plugin.modules[0].plugin, "vision");
    EXPECT_EQ(plugin.modules[0].node, nullptr);
}

TEST(BuiltinIndex, AFolderThatIsNotThereHoldsNothing) {
    EXPECT_TRUE(BuiltinIndex("/nowhere/at/all").plugins().empty());
}

TEST(BuiltinIndex, IgnoresAnIndexWhoseLibraryIsGone) {
    const TemporaryFolder folder;
    folder.write("vision.json", index_text);
    EXPECT_TRUE(BuiltinIndex(folder.path()).plugins().empty());
}

TEST(BuiltinIndex, RefusesADamagedIndexByName) {
    for (const std::string& text : {std::string("{"), std::string("{\"plugin\": 3}"),
                                    std::string("[]"), index_text.substr(0, 100)}) {
        const TemporaryFolder folder;
        folder.write("libvision.so", "");
        folder.write("vision.json", text);
        const std::string error =
            error_of([&] { BuiltinIndex(folder.path()).plugins(); }, folder.path());
        EXPECT_EQ(error.rfind("the index FOLDER/vision.json of a built-in plugin is damaged: ", 0),
                  0u)
            << error;
    }
}

}  // namespace
}  // namespace ailab::plugin
