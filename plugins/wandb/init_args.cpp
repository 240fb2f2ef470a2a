#include "init_args.hpp"

#include <algorithm>

namespace ailab {
namespace wandb {
namespace {

/// What wandb.init() takes besides, up to client 0.31.
const std::vector<std::string> arguments_without_effect = {"allow_val_change",
                                                           "anonymous",
                                                           "config",
                                                           "config_exclude_keys",
                                                           "config_include_keys",
                                                           "force",
                                                           "fork_from",
                                                           "magic",
                                                           "monitor_gym",
                                                           "reinit",
                                                           "resume_from",
                                                           "save_code",
                                                           "settings",
                                                           "sync_tensorboard",
                                                           "tensorboard"};

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class Reader final : public OptionVisitor {
  public:
    Reader(const Node& map, std::string path, Problems& problems)
        : map_(map), path_(std::move(path)), problems_(problems) {}

    void rule(const std::function<std::string()>& check) override { rules_.push_back(check); }

    void finish(Node& ignored) {
        for (const Member& member : map_.members()) {
            if (contains(names_, member.key)) continue;
            if (contains(arguments_without_effect, member.key)) {
                ignored.set(member.key, member.value);
                continue;
            }
            std::vector<std::string> accepted = names_;
            accepted.insert(accepted.end(), arguments_without_effect.begin(),
                            arguments_without_effect.end());
            const std::string nearest = nearest_name(member.key, accepted);
            problems_.add(member.place,
                          concat("wandb.init has no argument \"", member.key, "\"",
                                 nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?", " ",
                                 path_, " takes: ", join(names_), "."));
        }
        if (problems_.size() != before_) return;
        for (const auto& rule : rules_) {
            const std::string complaint = rule();
            if (!complaint.empty()) problems_.add(map_.place, path_ + ": " + complaint);
        }
    }

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        names_.push_back(field.name);
        if (const Node* node = map_.find(field.name))
            ref.read(*node, field.bounds, path_ + "." + field.name, problems_);
    }

  private:
    const Node& map_;
    const std::string path_;
    Problems& problems_;
    const size_t before_ = problems_.size();
    std::vector<std::string> names_;
    std::vector<std::function<std::string()>> rules_;
};

class Writer final : public OptionVisitor {
  public:
    void rule(const std::function<std::string()>&) override {}
    Node map = Node::map();

  protected:
    void visit(const Field& field, FieldRef& ref) override {
        Node value = ref.write();
        if (!value.is_null()) map.set(field.name, std::move(value));
    }
};

}  // namespace

std::string check_run_id(const std::string& id) {
    constexpr size_t longest = 128;
    if (id.empty() || id.size() > longest)
        return concat("id takes 1 to ", longest, " characters, got ", id.size());
    if (id.find_first_of("/\\#?%:") != std::string::npos)
        return concat("id may have none of the characters / \\ # ? % :, got \"", id, "\"");
    return "";
}

void InitArgs::visit(OptionVisitor& v) {
    v.option("project", project, "the project; by default WANDB_PROJECT, else uncategorized");
    v.option("entity", entity, "user or team; by default WANDB_ENTITY, else the user's own");
    v.option("name", name, "how W&B shows the run; by default it makes up a name");
    v.option("group", group, "runs that W&B shows together");
    v.option("job_type", job_type, "the run's part in its group, such as train");
    v.option("tags", tags, "list of words to find the run by");
    v.option("notes", notes, "what is to be said of the run");
    v.option("mode", mode,
             "online uploads while the run goes on, offline writes a folder for `wandb sync`; by "
             "default online where an API key and the client are found",
             one_of({"online", "offline", "disabled"}));
    v.option("id", id, "the run's id; by default a random one. A resumed run keeps its id");
    v.option("resume", resume, "what to do when W&B already has a run of this id",
             one_of({"allow", "must", "never", "auto"}));
    v.option("dir", dir, "folder in which `wandb/` is made; by default the run's folder");
    v.rule([this] { return check(); });
}

std::string InitArgs::check() const {
    if (id)
        if (const std::string complaint = check_run_id(*id); !complaint.empty()) return complaint;
    for (const std::string& tag : tags.value_or(std::vector<std::string>()))
        if (tag.empty() || tag.size() > 64)
            return concat("a tag takes 1 to 64 characters, got \"", tag, "\"");
    if (project && project->find_first_of("/\\#?%:") != std::string::npos)
        return concat("project may have none of the characters / \\ # ? % :, got \"", *project,
                      "\"");
    return "";
}

}  // namespace wandb

OptionSchema OptionType<wandb::InitArgs>::schema() {
    wandb::InitArgs args;
    std::vector<OptionField> fields = describe_options([&](OptionVisitor& v) { args.visit(v); });
    for (const std::string& name : wandb::arguments_without_effect)
        fields.push_back({.name = name, .doc = "taken, and without effect here"});
    return OptionSchema::section_of(std::move(fields));
}

void OptionType<wandb::InitArgs>::read(const Node& node, wandb::InitArgs& field, const Bounds&,
                                       const std::string& name, Problems& problems) {
    if (!node.is_map()) return detail::wrong_type(node, name, schema(), problems);
    wandb::Reader reader(node, name, problems);
    field.visit(reader);
    reader.finish(field.ignored);
}

Node OptionType<wandb::InitArgs>::write(const wandb::InitArgs& field) {
    wandb::Writer writer;
    wandb::InitArgs copy = field;  // visiting takes it for writable
    copy.visit(writer);
    for (const Member& member : field.ignored.members()) writer.map.members().push_back(member);
    return std::move(writer.map);
}

}  // namespace ailab
