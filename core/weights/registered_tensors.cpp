#include "registered_tensors.hpp"

#include <map>

#include "ailab/error.hpp"

namespace ailab {

RegisteredTensors::RegisteredTensors(std::vector<Owner> owners) : owners_(std::move(owners)) {
    for (const Owner& owner : owners_) before_.push_back(entries_of(*owner.module));
}

std::vector<RegisteredTensors::Entry> RegisteredTensors::entries_of(
    const torch::nn::Module& module) {
    std::vector<Entry> entries;
    for (const auto& item : module.named_parameters())
        entries.push_back({item.key(), item.value(), true, item.value().requires_grad()});
    for (const auto& item : module.named_buffers())
        entries.push_back({item.key(), item.value(), false, false});
    return entries;
}

std::vector<std::string> RegisteredTensors::changes(const Owner& owner,
                                                    const std::vector<Entry>& before) {
    std::map<std::string, const Entry*> gone;
    for (const Entry& entry : before) gone.emplace(entry.name, &entry);
    std::vector<std::string> added, buffers, replaced, thawed, dropped;
    for (const Entry& now : entries_of(*owner.module)) {
        const auto found = gone.find(now.name);
        if (found == gone.end()) {
            (now.is_parameter ? added : buffers).push_back(now.name);
            continue;
        }
        const Entry& then = *found->second;
        gone.erase(found);
        if (!now.is_parameter) continue;  // is reached by its name wherever it is needed
        if (!now.tensor.is_same(then.tensor))
            replaced.push_back(now.name);
        else if (now.trains && !then.trains)
            thawed.push_back(now.name);
    }
    for (const auto& [name, entry] : gone) dropped.push_back(name);

    std::vector<std::string> sentences;
    const auto tell = [&](const char* before_names, const std::vector<std::string>& names,
                          const char* after_names) {
        if (!names.empty())
            sentences.push_back(
                concat(owner.title, " has ", before_names, join(names), after_names));
    };
    tell("registered parameters after the run had begun, which no optimizer trains: ", added,
         ". Make modules and parameters in the constructor, with their sizes as options");
    tell("registered buffers after the run had begun, with which no checkpoint could be loaded: ",
         buffers, ". Make them in the constructor");
    tell(
        "put other tensors in the place of parameters, and the optimizer goes on with those that "
        "were there: ",
        replaced,
        ". Write new values into what is registered, as in weight.copy_(…) under NoGradGuard");
    tell("dropped what was registered when the run began: ", dropped,
         ". It would be in no checkpoint; keep it registered");
    tell(
        "parameters that require gradients and did not when the run began, so that no optimizer "
        "has them: ",
        thawed,
        ". Let them require gradients in the constructor, and freeze them for as long as you like "
        "from the first step on");
    return sentences;
}

std::vector<std::string> RegisteredTensors::changes() const {
    std::vector<std::string> all;
    for (size_t i = 0; i < owners_.size(); ++i)
        for (std::string& sentence : changes(owners_[i], before_[i]))
            all.push_back(std::move(sentence));
    return all;
}

}  // namespace ailab
