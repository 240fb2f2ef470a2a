#include "compare_data.hpp"

#include <set>

#include "config/formats.hpp"

namespace ailab {

namespace {

/// The digests of all phases, as one text.
std::string data_text(const std::map<Phase, PhaseData>& data) {
    Node all = Node::map();
    for (const auto& [phase, here] : data) {
        Node facts = Node::map();
        for (const auto& [fact, value] : here.dataset->digest())
            facts.set(fact, Node::string(value));
        all.set(phase_name(phase), std::move(facts));
    }
    return to_json(all);
}

/// "samples: 22 there, 24 on rank 0; …"; "" when nothing differs.
std::string data_differences(const Node& there, const Node& on_rank_0) {
    std::set<std::string> facts;
    for (const Node* side : {&there, &on_rank_0})
        for (const Member& member : side->members()) facts.insert(member.key);
    const auto value = [](const Node& side, const std::string& fact) {
        const Node* found = side.find(fact);
        return found ? found->as_string() : std::string("none");
    };
    std::vector<std::string> differences;
    for (const std::string& fact : facts)
        if (value(there, fact) != value(on_rank_0, fact))
            differences.push_back(concat(fact, ": ", value(there, fact), " there, ",
                                         value(on_rank_0, fact), " on rank 0"));
    return join(differences, "; ");
}

}  // namespace

void compare_data(Job& job, const std::vector<PhaseConfig>& phases,
                  const std::map<Phase, PhaseData>& data) {
    if (job.world_size() == 1) return;
    const std::vector<std::string> all = job.gather_text(data_text(data));
    for (size_t rank = 1; rank < all.size(); ++rank) {
        if (all[rank] == all[0]) continue;
        const Node there = from_json(all[rank], concat("the data of rank ", rank));
        const Node on_rank_0 = from_json(all[0], "the data of rank 0");
        Problems problems;
        for (const PhaseConfig& phase : phases) {
            const std::string name = phase_name(phase.phase);
            const std::string what = data_differences(*there.find(name), *on_rank_0.find(name));
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

}  // namespace ailab
