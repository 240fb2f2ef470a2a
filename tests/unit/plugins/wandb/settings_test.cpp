// What decides how a run is logged: options, the client's environment variables, what is installed.
#include "wandb/settings.hpp"

#include <map>

#include "ailab/error.hpp"
#include "folder_test.hpp"

namespace ailab::wandb {
namespace {

class SettingsTest : public test::FolderTest {
  protected:
    void SetUp() override {
        FolderTest::SetUp();
        variables = {{"HOME", path("home")}, {"PATH", path("nothing") + ":" + path("bin")}};
    }
    Settings resolve_now() const { return resolve(args, environment()); }
    Environment environment() const {
        return [this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end()) return std::nullopt;
            return found->second;
        };
    }
    void install_client() {
        write(path("bin/wandb"), "#!/bin/sh\n");
        std::filesystem::permissions(path("bin/wandb"), std::filesystem::perms::owner_all);
    }

    InitArgs args;
    std::map<std::string, std::string> variables;
};

TEST_F(SettingsTest, OptionsGoBeforeVariablesBeforeDefaults) {
    Settings settings = resolve_now();
    EXPECT_EQ(settings.project, "uncategorized");
    EXPECT_EQ(settings.name, "");
    EXPECT_EQ(settings.dir, std::nullopt);
    variables.insert({{"WANDB_PROJECT", "p"},
                      {"WANDB_ENTITY", "e"},
                      {"WANDB_NAME", "n"},
                      {"WANDB_RUN_GROUP", "g"},
                      {"WANDB_JOB_TYPE", "j"},
                      {"WANDB_NOTES", "x"},
                      {"WANDB_TAGS", "a, b c,,"},
                      {"WANDB_RUN_ID", "id1"},
                      {"WANDB_RESUME", "must"},
                      {"WANDB_DIR", "/d"}});
    settings = resolve_now();
    EXPECT_EQ(settings.project, "p");
    EXPECT_EQ(settings.entity, "e");
    EXPECT_EQ(settings.name, "n");
    EXPECT_EQ(settings.group, "g");
    EXPECT_EQ(settings.job_type, "j");
    EXPECT_EQ(settings.notes, "x");
    EXPECT_EQ(settings.tags, (std::vector<std::string>{"a", "b c"}));
    EXPECT_EQ(settings.id, "id1");
    EXPECT_EQ(settings.resume, "must");
    EXPECT_EQ(settings.dir, "/d");
    args.project = "q";
    args.tags = std::vector<std::string>{};
    args.dir.value = "/o";
    settings = resolve_now();
    EXPECT_EQ(settings.project, "q");
    EXPECT_TRUE(settings.tags.empty());
    EXPECT_EQ(settings.dir, "/o");
    EXPECT_EQ(settings.name, "n");
}

TEST_F(SettingsTest, ModeIsOnlineWhereThatCanWork) {
    EXPECT_EQ(resolve_now().mode, Mode::offline);
    EXPECT_NE(resolve_now().why_offline.find("no API key"), std::string::npos);
    variables["WANDB_API_KEY"] = "k";
    EXPECT_EQ(resolve_now().mode, Mode::offline);
    EXPECT_NE(resolve_now().why_offline.find("not on PATH"), std::string::npos);
    install_client();
    EXPECT_EQ(resolve_now().mode, Mode::online);
    EXPECT_EQ(resolve_now().why_offline, "");
    EXPECT_EQ(resolve_now().client, path("bin/wandb"));
    variables["WANDB_CLI"] = path("another");
    EXPECT_EQ(resolve_now().client, "");
}

TEST_F(SettingsTest, ModeIsWhatIsAskedFor) {
    const std::vector<std::pair<std::string, Mode>> table = {{"online", Mode::online},
                                                             {"run", Mode::online},
                                                             {"offline", Mode::offline},
                                                             {"dryrun", Mode::offline},
                                                             {"disabled", Mode::disabled}};
    for (const auto& [text, mode] : table) {
        variables["WANDB_MODE"] = text;
        EXPECT_EQ(resolve_now().mode, mode) << text;
        EXPECT_EQ(resolve_now().why_offline, "");
    }
    args.mode = "offline";  // as in wandb.init(mode=…)
    EXPECT_EQ(resolve_now().mode, Mode::offline);
}

TEST_F(SettingsTest, VariablesThatTheClientWouldRefuseAreErrors) {
    variables["WANDB_MODE"] = "of";
    EXPECT_THROW(resolve_now(), Error);
    variables["WANDB_MODE"] = "offline";
    variables["WANDB_RUN_ID"] = "a/b";
    EXPECT_THROW(resolve_now(), Error);
}

TEST_F(SettingsTest, FindsCredentialsWhereTheClientDoes) {
    const std::string key = " login user password 0123456789abcdef\n";
    struct Case {
        std::string netrc, base_url;
        bool found;
    };
    const std::vector<Case> table = {
        {"", "", false},
        {"machine api.wandb.ai" + key, "", true},
        {"machine api.wandb.ai\n " + key, "", true},
        {"machine api.forge.coreweave.com" + key, "", true},
        {"machine github.com" + key, "", false},
        {"machine github.com" + key + "machine api.wandb.ai" + key, "", true},
        {"machine api.wandb.ai" + key, "https://wandb.our.lab", false},
        {"machine wandb.our.lab" + key, "https://wandb.our.lab/", true},
        {"machine 127.0.0.1:8080" + key, "http://127.0.0.1:8080", true},
    };
    for (const Case& c : table) {
        write(path("home/.netrc"), c.netrc);
        variables.erase("WANDB_BASE_URL");
        if (!c.base_url.empty()) variables["WANDB_BASE_URL"] = c.base_url;
        EXPECT_EQ(has_credentials(environment()), c.found) << c.netrc << c.base_url;
    }
    variables = {{"NETRC", path("other")}};
    write(path("other"), "machine api.wandb.ai" + key);
    EXPECT_TRUE(has_credentials(environment()));
    variables = {{"WANDB_IDENTITY_TOKEN_FILE", "/token"}};
    EXPECT_TRUE(has_credentials(environment()));
}

}  // namespace
}  // namespace ailab::wandb
