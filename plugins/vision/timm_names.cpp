#include "timm_names.hpp"

#include <map>
#include <regex>

namespace ailab::vision {

std::string with_other_beginning(
    const std::string& name, const std::vector<std::pair<std::string, std::string>>& beginnings) {
    for (const auto& [timm, own] : beginnings)
        if (name.starts_with(timm)) return own + name.substr(timm.size());
    return name;
}

std::optional<TimmBlock> timm_block(const std::string& name) {
    static const std::regex form(
        R"((?:stages\.(\d{1,3})\.blocks|blocks\.(\d{1,3}))\.(\d{1,3})\.(?:(.+)\.)?([^.]+))");
    std::smatch part;
    if (!std::regex_match(name, part, form)) return std::nullopt;
    const std::string stage = part[1].matched ? part[1] : part[2];
    return TimmBlock{std::stoul(stage), std::stoul(part[3]), part[4], part[5]};
}

std::string inverted_residual_layer(const std::string& layer, bool expands, bool squeezes,
                                    bool bare_projection) {
    const int depthwise = expands ? 1 : 0;
    const int squeeze = depthwise + 1;
    const int projection = squeeze + (squeezes ? 1 : 0);
    const auto place = [](int number, const char* part) { return std::to_string(number) + part; };
    std::map<std::string, std::string> names = {
        {"conv_dw", place(depthwise, ".0")},
        {expands ? "bn2" : "bn1", place(depthwise, ".1")},
        {expands ? "conv_pwl" : "conv_pw", place(projection, bare_projection ? "" : ".0")},
        {expands ? "bn3" : "bn2",
         bare_projection ? place(projection + 1, "") : place(projection, ".1")}};
    if (expands) {
        names["conv_pw"] = "0.0";
        names["bn1"] = "0.1";
    }
    if (squeezes) {
        names["se.conv_reduce"] = place(squeeze, ".fc1");
        names["se.conv_expand"] = place(squeeze, ".fc2");
    }
    const auto found = names.find(layer);
    return found == names.end() ? "" : found->second;
}

}  // namespace ailab::vision
