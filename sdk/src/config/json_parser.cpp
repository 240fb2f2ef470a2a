#include "json_parser.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace ailab {
namespace {

constexpr size_t deepest_json = 512;

// The parser knows no NaN: it gets a string in its place that begins with a zero character.
constexpr char number_mark = '\0';
constexpr std::string_view number_opening = "\"\\u0000", number_closing = "\"";
constexpr std::string_view special_numbers[] = {"NaN", "Infinity", "-Infinity"};

double special_number(std::string_view name) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (name == special_numbers[0]) return std::numeric_limits<double>::quiet_NaN();
    return name == special_numbers[1] ? infinity : -infinity;
}

/// The special number that stands at byte `at`, which is in no string.
std::string_view special_number_at(std::string_view text, size_t at) {
    for (const std::string_view name : special_numbers) {
        if (!text.substr(at).starts_with(name)) continue;
        const size_t end = at + name.size();
        if (end == text.size() || std::string_view(",]} \t\r\n").find(text[end]) != text.npos)
            return name;
    }
    return {};
}

/// `written` with its special numbers in quotes.
struct QuotedNumbers {
    explicit QuotedNumbers(std::string_view written) {
        bool in_string = false;
        for (size_t i = 0; i < written.size();) {
            const std::string_view number =
                in_string ? std::string_view() : special_number_at(written, i);
            if (!number.empty()) {
                ends.push_back(
                    text.append(number_opening).append(number).append(number_closing).size());
                i += number.size();
                continue;
            }
            if (in_string && written[i] == '\\' && i + 1 < written.size()) {
                text += written[i++];  // what is escaped ends no string
            } else if (written[i] == '"') {
                in_string = !in_string;
            }
            text += written[i++];
        }
    }

    /// Where a byte of `text` stands in what was written.
    size_t written_byte(size_t byte) const {
        const auto before = std::upper_bound(ends.begin(), ends.end(), byte) - ends.begin();
        return byte - size_t(before) * (number_opening.size() + number_closing.size());
    }

    std::string text;
    std::vector<size_t> ends;  // of the quoted numbers in `text`
};

/// nlohmann's words without the name of its exception and its own count of lines.
std::string parser_words(const std::string& what) {
    std::string text = what.substr(std::min(what.size(), what.find("] ") + 2));
    if (text.starts_with("parse error"))
        text = text.substr(std::min(text.size(), text.find(": ") + 2));
    return text;
}

/// Takes the parser's events.
class NodeBuilder final : public nlohmann::json_sax<nlohmann::json> {
  public:
    NodeBuilder(const JsonRules& rules, const Place& place) : rules_(rules), place_(place) {}

    Node take() { return std::move(root_); }

    bool null() override { return deliver({}); }
    bool boolean(bool value) override { return deliver(value); }
    bool number_integer(number_integer_t value) override { return deliver(value); }
    bool number_unsigned(number_unsigned_t value) override {
        if (value <= number_unsigned_t(std::numeric_limits<int64_t>::max()))
            return deliver(int64_t(value));
        if (rules_.all_numbers) return deliver(double(value));
        throw Error(concat(place_.str(), ": the integer ", value, " does not fit 64 bits"));
    }
    bool number_float(number_float_t value, const string_t&) override { return deliver(value); }
    bool string(string_t& value) override {
        if (rules_.all_numbers && !value.empty() && value[0] == number_mark) {
            const std::string_view name = std::string_view(value).substr(1);
            if (std::find(std::begin(special_numbers), std::end(special_numbers), name) !=
                std::end(special_numbers))
                return deliver(special_number(name));
        }
        return deliver(std::move(value));
    }
    bool binary(binary_t&) override { return deliver({}); }

    bool start_object(size_t) override { return open(Node::map({}, place_)); }
    bool start_array(size_t) override { return open(Node::list({}, place_)); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (skipped_ > 0) return true;
        const bool outermost = frames_.size() == 1;
        skips_next_ = outermost && rules_.keys && !is_wanted(name);
        frames_.back().key = std::move(name);
        return true;
    }

    bool parse_error(size_t position, const std::string&,
                     const nlohmann::detail::exception& error) override {
        throw JsonProblem(position == 0 ? 0 : position - 1, parser_words(error.what()));
    }

  private:
    /// A list or map that is not complete yet.
    struct Frame {
        Node node;
        std::string key;
        std::unordered_map<std::string, size_t> places;  // of the keys, once there are many
    };

    bool is_wanted(const std::string& name) const {
        return std::find(rules_.keys->begin(), rules_.keys->end(), name) != rules_.keys->end();
    }

    bool open(Node node) {
        if (frames_.size() + skipped_ >= deepest_json)
            throw Error(
                concat(place_.str(), ": JSON is nested deeper than ", deepest_json, " levels"));
        if (skips_next_ || skipped_ > 0) {
            skips_next_ = false;
            ++skipped_;
        } else {
            frames_.push_back({std::move(node), {}, {}});
        }
        return true;
    }

    bool close() {
        if (skipped_ > 0) {
            --skipped_;
            return true;
        }
        Node node = std::move(frames_.back().node);
        frames_.pop_back();
        return put(std::move(node));
    }

    bool deliver(Node::Value value) {
        if (skipped_ > 0) return true;
        if (std::exchange(skips_next_, false)) return true;
        return put(Node(std::move(value), place_));
    }

    bool put(Node node) {
        if (frames_.empty())
            root_ = std::move(node);
        else if (frames_.back().node.is_list())
            frames_.back().node.items().push_back(std::move(node));
        else
            put_member(frames_.back(), std::move(node));
        return true;
    }

    void put_member(Frame& frame, Node node) {
        constexpr size_t few = 16;
        Node::Map& members = frame.node.members();
        if (members.size() < few) {
            frame.node.set(std::move(frame.key), std::move(node));
            return;
        }
        if (frame.places.empty())
            for (size_t i = 0; i < members.size(); ++i) frame.places.emplace(members[i].key, i);
        const auto [found, is_new] = frame.places.emplace(frame.key, members.size());
        if (is_new)
            members.push_back({std::move(frame.key), place_, std::move(node)});
        else
            members[found->second].value = std::move(node);
    }

    const JsonRules& rules_;
    const Place& place_;
    std::vector<Frame> frames_;
    Node root_;
    bool skips_next_ = false;  // the value of a key that is not wanted
    size_t skipped_ = 0;       // how deep in such a value
};

Node parse_strictly(std::string_view text, const JsonRules& rules, const Place& place) {
    NodeBuilder builder(rules, place);
    nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
    return builder.take();
}

}  // namespace

Node parse_json(std::string_view text, const JsonRules& rules, const Place& place) {
    try {
        return parse_strictly(text, rules, place);
    } catch (const JsonProblem&) {
        if (!rules.all_numbers) throw;
        const QuotedNumbers quoted(text);
        if (quoted.ends.empty()) throw;
        try {
            return parse_strictly(quoted.text, rules, place);
        } catch (const JsonProblem& error) {
            throw JsonProblem(quoted.written_byte(error.byte()), error.what());
        }
    }
}

std::pair<int, int> line_and_column(std::string_view text, size_t byte) {
    const std::string_view before = text.substr(0, byte);
    const size_t begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    return {int(std::count(before.begin(), before.end(), '\n')) + 1, int(byte - begin) + 1};
}

}  // namespace ailab
