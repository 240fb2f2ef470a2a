#include "options.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>

#include "ailab/error.hpp"

namespace po = boost::program_options;

namespace ailab::app {
namespace {

/// In Boost's terms.
po::options_description described(const std::vector<Option>& known) {
    using Takes = Option::Takes;
    po::options_description options;
    auto add = options.add_options();
    for (const Option& option : known) {
        const std::string name =
            option.letter ? concat(option.name, ",", std::string(1, option.letter)) : option.name;
        switch (option.takes) {
            case Takes::a_value:
                add(name.c_str(), po::value<std::string>());
                break;
            case Takes::nothing:
                add(name.c_str(), po::bool_switch());
                break;
            case Takes::values:
                add(name.c_str(), po::value<std::vector<std::string>>()->composing());
                break;
            case Takes::a_value_or_nothing:
                add(name.c_str(), po::value<std::string>()->implicit_value(""));
                break;
        }
    }
    add("words", po::value<std::vector<std::string>>());
    return options;
}

std::vector<std::string> option_names(const std::vector<Option>& known) {
    std::vector<std::string> names;
    for (const Option& option : known) names.push_back("--" + option.name);
    return names;
}

/// What an unset variable of a shell leaves: --plugins "$PLUGIN".
void refuse_empty_values(const po::parsed_options& parsed, const std::vector<Option>& known) {
    const auto may_be_empty = [&](const po::option& given) {
        return std::any_of(known.begin(), known.end(), [&](const Option& option) {
            return option.name == given.string_key &&
                   option.takes == Option::Takes::a_value_or_nothing;
        });
    };
    for (const po::option& option : parsed.options)
        if (option.position_key < 0 && option.value == std::vector<std::string>{""} &&
            !may_be_empty(option))
            throw ConfigError(concat("option --", option.string_key, " needs a value.", see_help));
}

po::variables_map parse(const std::vector<std::string>& arguments,
                        const std::vector<Option>& known) {
    namespace style = po::command_line_style;
    po::positional_options_description words;
    words.add("words", -1);
    po::variables_map values;
    try {
        const auto options = described(known);
        const po::parsed_options parsed = po::command_line_parser(arguments)
                                              .options(options)
                                              .positional(words)
                                              .style(style::unix_style & ~style::allow_guessing)
                                              .run();
        refuse_empty_values(parsed, known);
        po::store(parsed, values);
    } catch (const po::unknown_option& e) {
        const std::string given = e.get_option_name();
        const std::string name = given.substr(0, given.find('='));
        throw ConfigError(concat("unknown option ", name, ".",
                                 did_you_mean(name, option_names(known)), see_help));
    } catch (const po::invalid_command_line_syntax& e) {
        throw ConfigError(concat("option ", e.get_option_name(),
                                 e.kind() == po::invalid_syntax::extra_parameter
                                     ? " takes no value."
                                     : " needs a value.",
                                 see_help));
    } catch (const po::multiple_occurrences& e) {
        throw ConfigError(
            concat("option ", e.get_option_name(), " is given more than once.", see_help));
    } catch (const po::error& e) {
        throw ConfigError(concat(e.what(), ".", see_help));
    }
    return values;
}

}  // namespace

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
    const std::string near = nearest_name(name, known);
    return near.empty() ? "" : concat(" Did you mean ", near, "?");
}

struct Options::Values {
    po::variables_map map;
};

Options::Options(const std::vector<std::string>& arguments, const std::vector<Option>& known)
    : values_(std::make_unique<const Values>(Values{parse(arguments, known)})) {}

Options::~Options() = default;

bool Options::given(const std::string& option) const {
    const auto value = values_->map.find(option);
    return value != values_->map.end() && !value->second.defaulted();
}

bool Options::flag(const std::string& option) const {
    return values_->map[option].as<bool>();
}

std::string Options::text(const std::string& option) const {
    return given(option) ? values_->map[option].as<std::string>() : "";
}

std::vector<std::string> Options::texts(const std::string& option) const {
    if (!given(option)) return {};
    return values_->map[option].as<std::vector<std::string>>();
}

std::vector<std::string> Options::items(const std::string& option) const {
    std::vector<std::string> items;
    for (const std::string& value : texts(option))
        for (size_t start = 0; start <= value.size();) {
            const size_t end = std::min(value.find(',', start), value.size());
            if (end == start)
                throw ConfigError(concat("option --", option, " ", value,
                                         " has a comma with nothing before or behind it.",
                                         see_help));
            items.push_back(value.substr(start, end - start));
            start = end + 1;
        }
    return items;
}

std::string Options::choice(const std::string& option,
                            const std::vector<std::string>& choices) const {
    const std::string value = text(option);
    if (value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end())
        return value;
    throw ConfigError(concat("--", option, " ", value, " is unknown.", did_you_mean(value, choices),
                             " It takes: ", join(choices), "."));
}

int64_t Options::positive(const std::string& option, int64_t usual, int64_t most) const {
    if (!given(option)) return usual;
    const int64_t value = whole_number(option, text(option));
    if (value < 1 || value > most)
        throw ConfigError(
            concat("--", option, " must be between 1 and ", most, ", got ", value, ".", see_help));
    return value;
}

int64_t whole_number(const std::string& option, const std::string& text) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0)
        throw ConfigError(
            concat("--", option, " takes a whole number, got \"", text, "\".", see_help));
    return value;
}

}  // namespace ailab::app
