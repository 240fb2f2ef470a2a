#pragma once
// Turns yaml-cpp's events into a tree. Events and not YAML::Node: they tell which alias stands
// inside its own anchor, and keep the places of keys.
#include <yaml-cpp/eventhandler.h>

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ailab/error.hpp"

namespace YAML {
struct Mark;
}

namespace ailab {

/// Thrown out of the parser when the document is larger than any configuration.
struct DocumentTooLarge {
    Place place;
    std::string text;
};

class TreeBuilder final : public YAML::EventHandler {
  public:
    TreeBuilder(const std::string& text, const std::string& source, Problems& problems);

    Node take() { return std::move(root_); }
    int documents() const { return documents_; }
    Place place(const YAML::Mark& mark) const;
    std::string line(const YAML::Mark& mark) const;

    void OnDocumentStart(const YAML::Mark& mark) override;
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& text) override;
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override;
    void OnSequenceEnd() override { end_container(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override;
    void OnMapEnd() override { end_container(); }
    void OnAnchor(const YAML::Mark& mark, const std::string& name) override;

  private:
    /// A list or map that is not complete yet.
    struct Frame {
        Node node;
        YAML::anchor_t anchor = 0;
        bool key_is_next = true;
        std::string key;
        Place key_place;
        bool key_is_usable = false;
        bool key_is_merge = false;
        std::unordered_map<std::string, Place> keys;
        std::vector<Node> merged;
    };
    struct Anchor {
        std::string name;
        bool complete = false;
        Node node;
    };

    void begin_container(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         Node node);
    void end_container();
    /// A complete node: goes to the list or map that it stands in. `plain`: an unquoted scalar.
    void deliver(Node node, bool plain);
    /// A value that was reported: leaves its key or entry out.
    void deliver_nothing();
    void take_key(Frame& frame, const Node& node, bool plain);
    void merge_into(Frame& frame, const Node& from);
    void refuse_tag(const std::string& tag, const Place& place);
    /// Counts against the limits.
    void account(size_t weight, const Place& place);
    void check_depth(size_t depth, const Place& place) const;

    std::vector<std::string> lines_;
    std::shared_ptr<const std::string> source_;
    Problems& problems_;
    Node root_;
    int documents_ = 0;
    size_t weight_ = 0;
    std::vector<Frame> frames_;
    std::map<YAML::anchor_t, Anchor> anchors_;
    std::string next_anchor_name_;
};

}  // namespace ailab
