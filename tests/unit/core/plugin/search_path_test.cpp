#include "plugin/search_path.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "ailab/error.hpp"
#include "temporary_folder.hpp"

namespace fs = std::filesystem;

namespace ailab::plugin {
namespace {

class SearchPath : public testing::Test {
  protected:
    void SetUp() override {
        unsetenv("AILAB_PLUGIN_PATH");
        fs::current_path(folder.path());
        fs::create_directories("config");
    }
    void TearDown() override {
        fs::current_path("/");
        unsetenv("AILAB_PLUGIN_PATH");
    }
    std::string find(const std::string& name) { return find_plugin_file(name, {"config"}); }

    TemporaryFolder folder;
};

TEST_F(SearchPath, GoesFromThePathGivenToTheEnvironment) {
    setenv("AILAB_PLUGIN_PATH", (folder.path("env1") + "::" + folder.path("env2")).c_str(), 1);
    folder.write("env2/libmy.so", "4");
    EXPECT_EQ(find("libmy.so"), folder.path("env2/libmy.so"));
    folder.write("env1/libmy.so", "3");
    EXPECT_EQ(find("libmy.so"), folder.path("env1/libmy.so"));
    folder.write("config/libmy.so", "2");
    EXPECT_EQ(find("libmy.so"), "config/libmy.so");
    folder.write("libmy.so", "1");
    EXPECT_EQ(find("libmy.so"), "libmy.so");
    EXPECT_EQ(find(folder.path("env1/libmy.so")), folder.path("env1/libmy.so"));
}

TEST_F(SearchPath, TheUsersOwnAreThoseOfTheEnvironmentAndOfTheInstallation) {
    folder.write("libmy.so", "1");
    folder.write("config/libmy.so", "2");
    EXPECT_TRUE(installed_plugin_files("libmy.so").empty());
    setenv("AILAB_PLUGIN_PATH", (folder.path("env1") + ":" + folder.path("env2")).c_str(), 1);
    folder.write("env2/libmy.so", "4");
    folder.write("env1/libmy.so", "3");
    EXPECT_EQ(
        installed_plugin_files("libmy.so"),
        (std::vector<std::string>{folder.path("env1/libmy.so"), folder.path("env2/libmy.so")}));
}

TEST_F(SearchPath, ABareNameFindsTheLibraryAndNoFolderOfThatName) {
    fs::create_directories("my");
    folder.write("config/libmy.so", "1");
    EXPECT_EQ(find("my"), "config/libmy.so");
}

TEST_F(SearchPath, ARelativePathIsLookedForInEachPlace) {
    folder.write("config/build/libmy.so", "1");
    EXPECT_EQ(find("build/libmy.so"), "config/build/libmy.so");
}

TEST_F(SearchPath, TheErrorListsEveryPlace) {
    const std::string builtin = builtin_folder();
    EXPECT_EQ(error_of([&] { find("libmy.so"); }),
              "plugin libmy.so was not found; looked for ./libmy.so, config/libmy.so, "
              "$AILAB_PLUGIN_PATH (unset), " +
                  builtin +
                  "/libmy.so. Give the path of the file, or "
                  "add its folder to AILAB_PLUGIN_PATH.");
    setenv("AILAB_PLUGIN_PATH", "/nowhere:/else", 1);
    EXPECT_EQ(error_of([&] { find("my"); }),
              "plugin my was not found; looked for ./libmy.so, config/libmy.so, /nowhere/libmy.so, "
              "/else/libmy.so, " +
                  builtin +
                  "/libmy.so. Give the path of the file, or add its "
                  "folder to AILAB_PLUGIN_PATH.");
    EXPECT_EQ(error_of([&] { find("/nowhere/libmy.so"); }),
              "plugin /nowhere/libmy.so was not found. Check the path, and that its build has "
              "finished.");
    EXPECT_EQ(error_of([&] { find(""); }), "a plugin's name is empty; give the path of a lib….so.");
}

}  // namespace
}  // namespace ailab::plugin
