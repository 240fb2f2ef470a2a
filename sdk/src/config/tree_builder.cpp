#include "tree_builder.hpp"

#include <yaml-cpp/mark.h>

#include <algorithm>
#include <utility>

#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

/// Far above any configuration, and far below what a few lines of nested aliases can ask for.
constexpr size_t max_depth = 64;
constexpr size_t max_weight = 200'000;
/// A character column is counted from the line's beginning for each node: not in endless lines.
constexpr size_t long_line = 10'000;

struct Extent {
    size_t weight = 0;
    size_t depth = 0;
};

size_t text_weight(const std::string& text) {
    return text.size() / 64;
}

Extent extent(const Node& node) {
    Extent sum{1 + text_weight(node.written), 0};
    const auto add = [&](const Node& child) {
        const Extent e = extent(child);
        sum.weight += e.weight;
        sum.depth = std::max(sum.depth, e.depth + 1);
    };
    if (node.is_list()) {
        for (const Node& item : node.items()) add(item);
    } else if (node.is_map()) {
        for (const Member& member : node.members()) {
            sum.weight += text_weight(member.key);
            add(member.value);
        }
    }
    return sum;
}

bool is_default_tag(const std::string& tag) {
    return tag.empty() || tag == "?" || tag == "!";
}

}  // namespace

TreeBuilder::TreeBuilder(const std::string& text, const std::string& source, Problems& problems)
    : source_(std::make_shared<const std::string>(source)), problems_(problems) {
    size_t begin = 0;
    while (begin <= text.size()) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        lines_.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
}

Place TreeBuilder::place(const YAML::Mark& mark) const {
    const bool beyond = mark.line < 0 || size_t(mark.line) >= lines_.size();
    const size_t number = beyond ? lines_.size() - 1 : size_t(mark.line);
    const std::string& line = lines_[number];
    const size_t bytes = beyond ? line.size() : std::min(size_t(mark.column), line.size());
    const size_t column =
        line.size() > long_line ? bytes : count_characters(std::string_view(line).substr(0, bytes));
    return {source_, int(number) + 1, int(column) + 1};
}

std::string TreeBuilder::line(const YAML::Mark& mark) const {
    const bool exists = mark.line >= 0 && size_t(mark.line) < lines_.size();
    return exists ? lines_[size_t(mark.line)] : "";
}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
    if (++documents_ == 2)
        problems_.add(place(mark),
                      "a second YAML document begins here; a configuration is one document. Remove "
                      "the \"---\" and what belongs to the other document.");
}

void TreeBuilder::OnAnchor(const YAML::Mark&, const std::string& name) {
    next_anchor_name_ = name;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
    Node node(Node::Value(), place(mark));
    if (anchor) anchors_[anchor] = {std::exchange(next_anchor_name_, ""), true, node};
    account(1 + text_weight(node.written), node.place);
    deliver(std::move(node), true);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& text) {
    const bool plain = tag == "?";
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    Node node(!is_text ? resolve_scalar(text) : Node::Value(text), place(mark));
    node.written = text;
    if (!is_text) refuse_tag(tag, node.place);
    // An escape of text in double quotes; names of files, and messages, would end there.
    if (text.find('\0') != std::string::npos)
        problems_.add(node.place, concat(in_quotes(text), " holds the character 0. Remove it."));
    if (anchor) anchors_[anchor] = {std::exchange(next_anchor_name_, ""), true, node};
    account(1 + text_weight(node.written), node.place);
    deliver(std::move(node), plain);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
    const Anchor& target = anchors_[anchor];
    if (!target.complete) {
        problems_.add(place(mark),
                      concat("the alias *", target.name, " stands inside of &", target.name,
                             " itself, which would never end. Write the "
                             "value out, or move the anchor."));
        deliver_nothing();
        return;
    }
    const Extent added = extent(target.node);
    account(added.weight, place(mark));
    check_depth(frames_.size() + added.depth, place(mark));
    deliver(target.node, false);
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                                  YAML::anchor_t anchor, YAML::EmitterStyle::value) {
    begin_container(mark, tag == "tag:yaml.org,2002:seq" ? "" : tag, anchor, Node::list());
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
    begin_container(mark, tag == "tag:yaml.org,2002:map" ? "" : tag, anchor, Node::map());
}

void TreeBuilder::begin_container(const YAML::Mark& mark, const std::string& tag,
                                  YAML::anchor_t anchor, Node node) {
    node.place = place(mark);
    refuse_tag(tag, node.place);
    if (anchor) anchors_[anchor] = {std::exchange(next_anchor_name_, ""), false, Node()};
    account(1 + text_weight(node.written), node.place);
    check_depth(frames_.size() + 1, node.place);
    Frame frame;
    frame.node = std::move(node);
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
}

void TreeBuilder::end_container() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    for (const Node& from : frame.merged) merge_into(frame, from);
    if (frame.anchor) {
        anchors_[frame.anchor].node = frame.node;
        anchors_[frame.anchor].complete = true;
    }
    deliver(std::move(frame.node), false);
}

void TreeBuilder::deliver(Node node, bool plain) {
    if (frames_.empty()) {
        if (documents_ <= 1) root_ = std::move(node);
        return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_list()) {
        frame.node.items().push_back(std::move(node));
        return;
    }
    if (frame.key_is_next) {
        take_key(frame, node, plain);
    } else if (frame.key_is_merge) {
        frame.merged.push_back(std::move(node));
    } else if (frame.key_is_usable) {
        // yaml-cpp puts an absent value where the next key is.
        if (node.is_null() && node.place.line > frame.key_place.line) node.place = frame.key_place;
        frame.node.members().push_back({frame.key, frame.key_place, std::move(node)});
    }
    frame.key_is_next = !frame.key_is_next;
}

void TreeBuilder::deliver_nothing() {
    if (frames_.empty() || frames_.back().node.is_list()) return;
    Frame& frame = frames_.back();
    frame.key_is_usable = frame.key_is_merge = false;
    frame.key_is_next = !frame.key_is_next;
}

void TreeBuilder::take_key(Frame& frame, const Node& node, bool plain) {
    frame.key_place = node.place;
    frame.key_is_usable = false;
    frame.key_is_merge = false;
    if (!node.is_scalar() || node.is_null()) {
        problems_.add(node.place, concat("a key must be a name, got ", node.describe(),
                                         ". Check the brackets and the indentation."));
        return;
    }
    frame.key = node.written;
    if (const auto odd = invisible_character(frame.key)) {
        Place place = node.place;
        if (plain) place.column += int(odd->index);
        problems_.add(place, concat("the key ", in_quotes(frame.key), " holds ", odd->name,
                                    ", which cannot be seen. Type the key anew."));
        return;
    }
    const auto [first, is_new] = frame.keys.emplace(frame.key, node.place);
    if (!is_new) {
        problems_.add(node.place,
                      concat("the key ", in_quotes(frame.key), " is given twice, first at ",
                             first->second.str(), ". Remove one of them."));
        return;
    }
    frame.key_is_merge = plain && frame.key == "<<";
    frame.key_is_usable = !frame.key_is_merge;
}

void TreeBuilder::merge_into(Frame& frame, const Node& from) {
    if (from.is_list()) {
        for (const Node& item : from.items()) {
            if (item.is_list()) {
                problems_.add(item.place,
                              "<< takes a map or a list of maps, got a list in a list.");
            } else {
                merge_into(frame, item);
            }
        }
        return;
    }
    if (!from.is_map()) {
        problems_.add(from.place, concat("<< takes a map or a list of maps, got ", from.describe(),
                                         ". Write <<: *name with an anchor &name at a map."));
        return;
    }
    for (const Member& member : from.members()) {
        const bool is_new = frame.keys.emplace(member.key, member.place).second;
        if (is_new) frame.node.members().push_back(member);
    }
}

void TreeBuilder::refuse_tag(const std::string& tag, const Place& place) {
    if (is_default_tag(tag)) return;
    const std::string usual = "tag:yaml.org,2002:";
    const bool is_usual = tag.compare(0, usual.size(), usual) == 0;
    const std::string shown = is_usual ? "!!" + tag.substr(usual.size()) : tag;
    problems_.add(place, concat("the tag ", shown,
                                " is not supported. Remove it; !!str or "
                                "quotes make a string."));
}

void TreeBuilder::account(size_t weight, const Place& place) {
    weight_ += weight;
    if (weight_ > max_weight)
        throw DocumentTooLarge{place, concat("the configuration grows beyond ", max_weight,
                                             " values here. Check for aliases that multiply.")};
}

void TreeBuilder::check_depth(size_t depth, const Place& place) const {
    if (depth > max_depth)
        throw DocumentTooLarge{place, concat("lists and maps are nested deeper than ", max_depth,
                                             " levels here. Check the brackets and aliases.")};
}

}  // namespace ailab
