// PluginHost::instance() for these tests: a few made-up modules, and plugin files that can be
// loaded: "extra.so", which brings a model, and "reports.so", whose hooks have roles.
#include "plugin/plugin_host.hpp"

#include <deque>

#include "fake_modules.hpp"

namespace ailab {
namespace {

template <class T>
std::shared_ptr<void> make(OptionsHolder& options) {
    if constexpr (plugin::HasOptions<T>) {
        using Options = typename T::Options;
        if constexpr (std::is_constructible_v<T, const Options&>)
            return std::make_shared<T>(static_cast<OptionsOf<Options>&>(options).value);
        else
            return std::make_shared<T>();
    } else {
        return std::make_shared<T>();
    }
}

class FakeHost final : public PluginHost {
  public:
    FakeHost() {
        add<fake::TinyModel>("model", "TinyModel");
        add<fake::PickyModel>("model", "PickyModel");
        add<fake::HungryModel>("model", "HungryModel");
        add<fake::ListData>("dataset", "ListData");
        add<fake::CrossEntropyLoss>("loss", "CrossEntropyLoss");
        add<fake::Accuracy>("metric", "Accuracy");
        add<fake::AdamW>("optimizer", "AdamW");
        add<fake::CosineAnnealingLR>("lr_scheduler", "CosineAnnealingLR");
        add<fake::Plain>("transform", "Flip");
        add<fake::Plain>("sampler", "DefaultSampler");
        add<fake::Plain>("backend", "gloo");
        add<fake::Plain>("device", "cpu");
        add<fake::MetricHook>("hook", "MetricHook");
        add<fake::LrSchedulerHook>("hook", "LrSchedulerHook");
        add<fake::LoggerHook>("hook", "LoggerHook");
        add<fake::ProgressHook>("hook", "ProgressHook");
        add<fake::RudeHook>("hook", "RudeHook");
        add<fake::Plain>("hook", "DDPHook");
    }

    /// As in a new process.
    void reset() {
        loaded_.resize(1);
        std::erase_if(entries_, [](const ModuleEntry& entry) { return entry.plugin != "fake"; });
    }

    void add_search_folder(const std::string&) override {}
    void load(const std::string& name) override {
        if (name != "extra.so" && name != "reports.so")
            throw ConfigError("plugin " + name + " not found; looked in ./.");
        for (const LoadedPlugin& plugin : loaded_)
            if (plugin.path == name) return;
        loaded_.push_back({.name = name.substr(0, name.find('.')), .path = name});
        if (name == "extra.so") {
            add<fake::TinyModel>("model", "ExtraModel", "extra");
        } else {
            add<fake::LoggerHook>("hook", "OwnLogger", "reports");
            add<fake::PredictionsHook>("hook", "PredictionsHook", "reports");
            add<fake::ReportHook>("hook", "ReportHook", "reports");
        }
    }
    void load_bytes(const std::string& shown, std::string_view, const std::string&) override {
        throw ConfigError("plugin " + shown + " is none of these tests'");
    }
    std::shared_ptr<const ModuleEntry> find(const std::string& kind, const std::string& name,
                                            std::string& complaint) override {
        std::vector<std::string> known;
        for (const ModuleEntry& entry : entries_) {
            if (entry.kind != kind) continue;
            if (entry.name == name || entry.plugin + "/" + entry.name == name)
                return std::make_shared<ModuleEntry>(entry);
            known.push_back(entry.name);
        }
        const std::string nearest = nearest_name(name, known);
        std::vector<std::string> plugins;
        for (const LoadedPlugin& plugin : loaded_) plugins.push_back(plugin.name);
        complaint = concat("unknown ", kind, " \"", name, "\"",
                           nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?",
                           " Plugins loaded: ", join(plugins), ".");
        return nullptr;
    }
    std::vector<ModuleEntry> list(const std::string& kind) const override {
        std::vector<ModuleEntry> found;
        for (const ModuleEntry& entry : entries_)
            if (entry.kind == kind) found.push_back(entry);
        return found;
    }
    std::vector<LoadedPlugin> loaded() const override { return loaded_; }
    void shutdown() override {}
    std::string describe(const std::string&, const CommonOptions&) override { return "{}"; }
    std::vector<Node> descriptions(const CommonOptions&) const override { return {}; }

  private:
    template <class T>
    void add(const char* kind, const char* name, const std::string& plugin = "fake") {
        nodes_.push_back(
            {kind, name, "", "fake.cpp", 1, &plugin::make_options<T>, &make<T>, nullptr});
        entries_.push_back({kind, name, "", "lib" + plugin + ".so (fake.cpp:1)", plugin, "",
                            &nodes_.back(), plugin::role_of<T>()});
    }

    std::deque<plugin::ModuleNode> nodes_;
    std::vector<ModuleEntry> entries_;
    std::vector<LoadedPlugin> loaded_ = {{.name = "fake", .builtin = true}};
};

FakeHost& fake_host() {
    static FakeHost host;
    return host;
}

}  // namespace

void fake::reset_host() {
    fake_host().reset();
}

PluginHost& PluginHost::instance() {
    return fake_host();
}

}  // namespace ailab
