#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/options.hpp"
#include "options/output_folder.hpp"

namespace ailab::wandb {

/// The arguments of wandb.init() that mean something to a run of ailab-run, by its names.
struct InitArgs {
    std::optional<std::string> project;
    std::optional<std::string> entity;
    std::optional<std::string> name;
    std::optional<std::string> group;
    std::optional<std::string> job_type;
    std::optional<std::vector<std::string>> tags;
    std::optional<std::string> notes;
    std::optional<std::string> mode;
    std::optional<std::string> id;
    std::optional<std::string> resume;
    GivenFolder dir;
    /// Other arguments of wandb.init(), which have no effect here.
    Node ignored = Node::map();

    void visit(OptionVisitor& v);
    /// What is wrong with the values, or "".
    std::string check() const;
};

/// What W&B takes for a run's id, or the complaint.
std::string check_run_id(const std::string& id);

}  // namespace ailab::wandb

template <>
struct ailab::OptionType<ailab::wandb::InitArgs> {
    static OptionSchema schema();
    static void read(const Node&, wandb::InitArgs&, const Bounds&, const std::string& name,
                     Problems&);
    static Node write(const wandb::InitArgs&);
};
