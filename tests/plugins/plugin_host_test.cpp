// The plugin host of the real libailab_core.so with real plugins. ctest runs each test in a process
// of its own, since nothing is ever unloaded.
#include "plugin/plugin_host.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>

#include "ailab/error.hpp"
#include "ailab/module_spec.hpp"
#include "ailab/sampler.hpp"
#include "plugin/elf_image.hpp"
#include "temporary_folder.hpp"

namespace fs = std::filesystem;

namespace ailab {
namespace {

std::string fixture(const std::string& name) {
    return std::string(FIXTURES) + "/libfixture_" + name + ".so";
}

PluginHost& host() {
    return PluginHost::instance();
}

std::string complaint_about(const std::string& kind, const std::string& name) {
    std::string complaint;
    EXPECT_EQ(host().find(kind, name, complaint), nullptr);
    return complaint;
}

std::shared_ptr<const ModuleEntry> found(const std::string& kind, const std::string& name) {
    std::string complaint;
    const auto entry = host().find(kind, name, complaint);
    EXPECT_EQ(complaint, "");
    return entry;
}

TEST(PluginHost, RegistersTheModulesOfAPluginWithTheirOrigin) {
    host().load(fixture("good"));
    const auto entry = found("sampler", "InOrder");
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->plugin, "good");
    EXPECT_EQ(entry->doc, "One after the other");
    EXPECT_EQ(entry->origin, "libfixture_good.so (good.cpp:47)");
    ASSERT_EQ(host().loaded().size(), 1u);
    const LoadedPlugin about = host().loaded().front();
    EXPECT_EQ(about.name, "good");
    EXPECT_EQ(about.version, "1.2");
    EXPECT_EQ(about.doc, "Fixtures that work");
    EXPECT_FALSE(about.builtin);
    EXPECT_GE(about.build_id.size(), 16u);
}

TEST(PluginHost, MakesAModuleOfAnotherLibrary) {
    host().load(fixture("good"));
    const auto entry = found("sampler", "OutOfOrder");
    const auto options = entry->node->make_options();
    const auto sampler = std::static_pointer_cast<Sampler>(entry->node->create(*options));
    EXPECT_TRUE(dynamic_cast<Sampler*>(sampler.get()));
}

TEST(PluginHost, TheSameFileTwiceIsOnePlugin) {
    const TemporaryFolder folder;
    fs::create_symlink(fixture("good"), folder.path("link.so"));
    host().load(fixture("good"));
    host().load(fixture("good"));
    host().load(folder.path("link.so"));
    EXPECT_EQ(host().loaded().size(), 1u);
    EXPECT_TRUE(found("sampler", "InOrder"));
}

TEST(PluginHost, ANameOfTwoPluginsNeedsItsPlugin) {
    host().load(fixture("good"));
    host().load(fixture("twin"));
    EXPECT_EQ(complaint_about("sampler", "InOrder"),
              "sampler \"InOrder\" is registered by libfixture_good.so (good.cpp:47) and by "
              "libfixture_twin.so (twin.cpp:17). Write good/InOrder or twin/InOrder, or drop one "
              "plugin.");
    EXPECT_EQ(found("sampler", "good/InOrder")->plugin, "good");
    EXPECT_EQ(found("sampler", "twin/InOrder")->plugin, "twin");
    EXPECT_EQ(found("sampler", "OutOfOrder")->plugin, "good");
}

TEST(PluginHost, AUserPluginDoesNotReplaceABuiltInModule) {
    host().load(fixture("shadow"));
    const std::string complaint = complaint_about("sampler", "DefaultSampler");
    EXPECT_NE(complaint.find("libfixture_shadow.so (shadow.cpp:17)"), std::string::npos)
        << complaint;
    const std::shared_ptr<const ModuleEntry> own = found("sampler", "shadow/DefaultSampler");
    ASSERT_TRUE(own);
    EXPECT_EQ(own->plugin, "shadow");
}

TEST(PluginHost, LoadsABuiltInPluginWhenItsModuleIsWanted) {
    EXPECT_TRUE(host().loaded().empty());
    const auto entry = found("sampler", "DefaultSampler");
    ASSERT_TRUE(entry);
    EXPECT_TRUE(entry->node);
    ASSERT_EQ(host().loaded().size(), 1u);
    EXPECT_TRUE(host().loaded().front().builtin);
    EXPECT_EQ(host().loaded().front().name, entry->plugin);
}

TEST(PluginHost, ListingLoadsNothing) {
    EXPECT_GT(host().list("").size(), host().list("sampler").size());
    EXPECT_GT(host().list("sampler").size(), 0u);
    EXPECT_TRUE(host().loaded().empty());
}

TEST(PluginHost, RegistersAllOfAPluginOrNothing) {
    EXPECT_EQ(error_of([] { host().load(fixture("duplicate")); }),
              fixture("duplicate") +
                  " registers sampler \"Twice\" twice: libfixture_duplicate.so (duplicate.cpp:18) "
                  "and libfixture_duplicate.so (duplicate.cpp:19). Rename one, or drop one of the "
                  "two lines.");
    EXPECT_TRUE(host().loaded().empty());
    EXPECT_NE(complaint_about("sampler", "Once"), "");
}

TEST(PluginHost, TwoPluginsOfOneNameCannotBeToldApart) {
    const TemporaryFolder folder;
    fs::copy_file(fixture("good"), folder.path("libcopy.so"));
    host().load(fixture("good"));
    EXPECT_EQ(error_of([&] { host().load(folder.path("libcopy.so")); }, folder.path()),
              "FOLDER/libcopy.so calls itself \"good\", and so does " + fixture("good") +
                  ". Rename one in its AILAB_PLUGIN(...), or drop one from --plugins.");
    EXPECT_EQ(host().loaded().size(), 1u);
}

TEST(PluginHost, WarnsOfAFileThatEveryoneMayChange) {
    const TemporaryFolder folder;
    fs::copy_file(fixture("good"), folder.path("libmy.so"));
    ASSERT_EQ(chmod(folder.path("libmy.so").c_str(), 0777), 0);
    testing::internal::CaptureStderr();
    host().load(folder.path("libmy.so"));
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find(folder.path("libmy.so") +
                       " can be changed by every user of this machine, and its code runs with your "
                       "rights: chmod o-w " +
                       folder.path("libmy.so")),
              std::string::npos)
        << log;
}

TEST(PluginHost, WarnsOfAPluginThatRegistersNothing) {
    testing::internal::CaptureStderr();
    host().load(fixture("empty"));
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find(fixture("empty") + " registers no modules. Add AILAB_REGISTER_MODEL(...) or "
                                          "one of its siblings to a source of it."),
              std::string::npos)
        << log;
}

TEST(PluginHost, AConstructorThatThrowsIsReportedWithPlaceNameAndOrigin) {
    host().load(fixture("throwing"));
    const Place place{std::make_shared<const std::string>("train.yaml"), 14, 7};
    const Node config = Node::map({{"type", place, Node::string("Throwing", place)}}, place);
    Problems problems;
    const ModuleConfig module = read_module("sampler", config, "sampler", problems);
    problems.check();
    EXPECT_EQ(error_of([&] { module.create(); }),
              "train.yaml:14:7: sampler \"Throwing\" of libfixture_throwing.so (throwing.cpp:20): "
              "the table t.csv has no column \"y\"");
}

/// Half of the smallest normal number, by this thread's processor.
float half_of_the_smallest() {
    const volatile float smallest = std::numeric_limits<float>::min();
    return smallest / 2;
}

TEST(PluginHost, APluginLinkedWithFastMathDoesNotMakeDenormalsZero) {
    ASSERT_GT(half_of_the_smallest(), 0);
    testing::internal::CaptureStderr();
    host().load(fixture("good"));
    EXPECT_EQ(testing::internal::GetCapturedStderr().find("-ffast-math"), std::string::npos);
    testing::internal::CaptureStderr();
    host().load(fixture("fast_math"));
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find(fixture("fast_math") + " (or a library that it needs) was linked with "
                                              "-ffast-math"),
              std::string::npos)
        << log;
    EXPECT_GT(half_of_the_smallest(), 0);
    float of_another = 0;  // threads begin with what the one that starts them has
    std::thread([&] { of_another = half_of_the_smallest(); }).join();
    EXPECT_GT(of_another, 0);
}

TEST(PluginHost, ShutsDownNewestFirstAndOnce) {
    host().load(fixture("shutdown_first"));
    host().load(fixture("good"));
    host().load(fixture("shutdown_second"));
    testing::internal::CaptureStdout();
    host().shutdown();
    host().shutdown();
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "shutdown of second\nshutdown of first\n");
}

std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(PluginHost, APluginMayBeInMemoryAlone) {
    const std::string build = plugin::read_elf_image(fixture("good")).build_id;
    testing::internal::CaptureStderr();
    host().load_bytes("model.ailab:libmy.so", bytes_of(fixture("good")), build);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(found("sampler", "InOrder")->origin, "model.ailab:libmy.so (good.cpp:47)");
    EXPECT_EQ(host().loaded().front().path, "model.ailab:libmy.so");
    EXPECT_EQ(host().loaded().front().build_id, build);
    EXPECT_FALSE(host().loaded().front().builtin);
    // Several stay apart, though the loader knows them by the paths of their descriptors.
    host().load_bytes("twin", bytes_of(fixture("twin")),
                      plugin::read_elf_image(fixture("twin")).build_id);
    EXPECT_EQ(found("sampler", "twin/InOrder")->plugin, "twin");
    EXPECT_EQ(found("sampler", "good/InOrder")->plugin, "good");
}

TEST(PluginHost, WhatIsWrongWithOneInMemoryIsSaidUnderItsNameBeforeItsCodeRuns) {
    const auto refusal = [](const std::string& bytes, const std::string& build_id) {
        return error_of([&] { host().load_bytes("model.ailab:libmy.so", bytes, build_id); });
    };
    // Its code would end this process.
    EXPECT_EQ(refusal(bytes_of(fixture("static_throw")), "0123456789abcdef"),
              "model.ailab:libmy.so is another build (" +
                  plugin::read_elf_image(fixture("static_throw")).build_id.substr(0, 12) +
                  ", not 0123456789ab).");
    for (const std::string& bytes :
         {std::string(), std::string("hello"), bytes_of(fixture("good")).substr(0, 1000)})
        EXPECT_EQ(refusal(bytes, "").find("model.ailab:libmy.so "), 0u) << refusal(bytes, "");
    const std::string unresolved =
        refusal(bytes_of(fixture("nobody_defines_it")),
                plugin::read_elf_image(fixture("nobody_defines_it")).build_id);
    EXPECT_EQ(
        unresolved.find("model.ailab:libmy.so cannot be loaded: model.ailab:libmy.so: undefined "
                        "symbol"),
        0u)
        << unresolved;
    EXPECT_TRUE(host().loaded().empty());
}

TEST(PluginHost, LooksInTheConfigurationsFolder) {
    const TemporaryFolder folder;
    fs::copy_file(fixture("good"), folder.path("libmy.so"));
    host().add_search_folder(folder.path());
    host().load("my");
    EXPECT_EQ(host().loaded().front().path, folder.path("libmy.so"));
}

}  // namespace
}  // namespace ailab
