#include "compare_data.hpp"

#include <set>

#include "ailab/log.hpp"
#include "config/formats.hpp"

namespace ailab {

namespace {

/// "samples: 22 there, 24 on rank 0; …"; "" when nothing differs.
std::string differences(const Node& one, const std::string& of_one, const Node& other,
                        const std::string& of_other) {
    std::set<std::string> facts;
    for (const Node* side : {&one, &other})
        for (const Member& member : side->members()) facts.insert(member.key);
    const auto value = [](const Node& side, const std::string& fact) {
        const Node* found = side.find(fact);
        return found && found->is_string() ? found->as_string() : std::string("none");
    };
    std::vector<std::string> differences;
    for (const std::string& fact : facts)
        if (value(one, fact) != value(other, fact))
            differences.push_back(concat(fact, ": ", value(one, fact), " ", of_one, ", ",
                                         value(other, fact), " ", of_other));
    return join(differences, "; ");
}

}  // namespace

Node data_facts(const std::map<Phase, PhaseData>& data) {
    Node all = Node::map();
    for (const auto& [phase, here] : data) {
        Node facts = Node::map();
        for (const auto& [fact, value] : here.dataset->digest())
            facts.set(fact, Node::string(value));
        all.set(phase_name(phase), std::move(facts));
    }
    return all;
}

void compare_data(Job& job, const std::vector<PhaseConfig>& phases, const Node& facts) {
    if (job.world_size() == 1) return;
    const std::vector<std::string> all = job.gather_text(to_json(facts));
    for (size_t rank = 1; rank < all.size(); ++rank) {
        if (all[rank] == all[0]) continue;
        const Node there = from_json(all[rank], concat("the data of rank ", rank));
        const Node on_rank_0 = from_json(all[0], "the data of rank 0");
        Problems problems;
        for (const PhaseConfig& phase : phases) {
            const std::string name = phase_name(phase.phase);
            const std::string what =
                differences(*there.find(name), "there", *on_rank_0.find(name), "on rank 0");
            if (!what.empty())
                problems.add(
                    phase.dataset.config.place,
                    concat("rank ", rank, " sees other data than rank 0 in data.", name, ": ", what,
                           ". Give all ranks the same files: copy them to all hosts, or "
                           "use a shared path"));
        }
        problems.check();
    }
}

void tell_changed_data(const Node& saved, const Node& present) {
    for (const Member& phase : present.members()) {
        const Node* then = saved.find(phase.key);
        if (!then || !then->is_map()) continue;
        const std::string what = differences(*then, "then", phase.value, "now");
        if (!what.empty())
            log_warning("resume: data.", phase.key,
                        " is not what the checkpoint was written with: ", what,
                        ". The run goes on with the data as they are now; if that is not meant, "
                        "give the files as they were, or start a new run from the weights with "
                        "load_from");
    }
}

}  // namespace ailab
