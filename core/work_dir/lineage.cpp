#include "lineage.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/crc32c.hpp"
#include "ailab/support/regular_file.hpp"
#include "checkpoint/manifest.hpp"
#include "config/formats.hpp"
#include "files/durable_file.hpp"
#include "find_checkpoint.hpp"
#include "last_checkpoint.hpp"
#include "state_reader.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

constexpr const char* start_file = "branch.json";
constexpr uint64_t max_start_size = 16 << 20;
constexpr const char* branches_key = "branches";
constexpr const char* branches_checksum_key = "crc32c";  // of the branches as compact JSON

int64_t checksum_of(const Node& branches) {
    const std::string text = to_json(branches);
    return int64_t(crc32c(text.data(), text.size()));
}

Lineage read_lineage(const Node& node) {
    Lineage lineage;
    for (const Node& entry : node.items()) {
        const StateReader branch(entry);
        lineage.branches.push_back(
            {branch.at("name").as_string(), branch.integer("step"), branch.integer("order")});
    }
    if (lineage.branches.empty()) throw Error("there is no branch in it");
    return lineage;
}

std::string encode_start(const Lineage& lineage) {
    Node branches = lineage_node(lineage);
    Node start = Node::map();
    start.set(branches_checksum_key, Node(checksum_of(branches)));
    start.set(branches_key, std::move(branches));
    return to_json(start, 1) + "\n";
}

/// Of a run that an older ailab has begun it is the branches alone.
Lineage decode_start(const std::string& text, const std::string& file) {
    const Node start = from_json(text, file);
    if (start.is_list()) return read_lineage(start);
    const StateReader reader(start);
    const Node& branches = reader.at(branches_key);
    if (reader.integer(branches_checksum_key) != checksum_of(branches))
        throw Error("it is not as it was written (its checksum is another)");
    return read_lineage(branches);
}

std::pair<int64_t, int64_t> place_on(const Branch& branch) {
    return {branch.step, branch.order};
}

int64_t order_of(const std::string& checkpoint) {
    try {
        return lineage_of(read_manifest(checkpoint).facts, checkpoint).own().order;
    } catch (const std::exception&) {
        return 0;  // whoever wants to use it says what is wrong with it
    }
}

LastCheckpoint last_of(const std::string& work_dir) {
    return read_last_checkpoint((fs::path(work_dir) / "last_checkpoint").string());
}

/// The greatest order in a work_dir: of the newest checkpoint, or of a start.
int64_t newest_order(const std::string& work_dir) {
    const LastCheckpoint last = last_of(work_dir);
    int64_t order = last.meant.empty() ? 0 : order_of(last.meant);
    std::error_code none;
    for (const auto& run : fs::directory_iterator(work_dir, none))
        if (const auto start = read_start(run.path().string()))
            order = std::max(order, start->own().order);
    return order;
}

/// Of a run that goes on from a checkpoint in its own folder.
Lineage go_on(const std::string& work_dir, const std::string& run_dir, const std::string& from,
              int64_t order) {
    Lineage lineage = lineage_of(read_manifest(from).facts, from);
    const LeftBehind left = find_left_behind(from, run_dir);
    if (left.on_branch) {
        lineage.branches.push_back(
            {concat(fs::path(run_dir).filename().string(), ".", order), lineage.own().step, order});
        replace_text_file((fs::path(work_dir) / "last_checkpoint").string(), from);
    } else {
        lineage.branches.back().order = order;
    }
    if (!left.names.empty())
        log_info("left behind: ", join(left.names), ", which did not lead to ", from,
                 "; keep_last, auto and latest follow the run from there. To go on from one of "
                 "them instead, name it in resume_from");
    return lineage;
}

}  // namespace

bool Lineage::holds(const Lineage& checkpoint) const {
    const Branch& place = checkpoint.own();
    return std::any_of(branches.begin(), branches.end(), [&](const Branch& branch) {
        return branch.name == place.name && place_on(place) <= place_on(branch);
    });
}

bool Lineage::is_before(const Lineage& checkpoint) const {
    return checkpoint.own().name == own().name && place_on(own()) < place_on(checkpoint.own());
}

Lineage lineage_of(const Node& facts, const std::string& path) {
    if (const Node* branch = facts.find("branch"); branch && branch->is_list())
        return read_lineage(*branch);
    const Node* run = facts.find("run_dir");
    const fs::path folder = run && run->is_string()
                                ? fs::path(run->as_string())
                                : fs::absolute(path).lexically_normal().parent_path().parent_path();
    return {{{folder.filename().string(), StateReader(facts).integer("step"), 0}}};
}

Node lineage_node(const Lineage& lineage) {
    Node list = Node::list();
    for (const Branch& branch : lineage.branches) {
        Node entry = Node::map();
        entry.set("name", Node::string(branch.name));
        entry.set("step", Node(branch.step));
        entry.set("order", Node(branch.order));
        list.items().push_back(std::move(entry));
    }
    return list;
}

std::optional<Lineage> read_start(const std::string& run_dir) {
    const std::string file = (fs::path(run_dir) / start_file).string();
    std::error_code none;
    if (!fs::is_regular_file(file, none)) return std::nullopt;
    try {
        return decode_start(read_regular_file(file, max_start_size), file);
    } catch (const std::exception& error) {
        log_warning(file, " cannot be used: ", error.what());
        return std::nullopt;
    }
}

Lineage begin_branch(const std::string& work_dir, const std::string& run_dir,
                     const std::string& from, bool goes_on) {
    const int64_t order = newest_order(work_dir) + 1;
    Lineage lineage;
    if (goes_on) {
        lineage = go_on(work_dir, run_dir, from, order);
    } else {
        if (!from.empty()) lineage = lineage_of(read_manifest(from).facts, from);
        const int64_t step = from.empty() ? 0 : lineage.own().step;
        lineage.branches.push_back({fs::path(run_dir).filename().string(), step, order});
    }
    replace_text_file((fs::path(run_dir) / start_file).string(), encode_start(lineage));
    return lineage;
}

Lineage next_on_branch(Lineage lineage, int64_t step, const std::string& work_dir,
                       const std::string& newest) {
    Branch& own = lineage.branches.back();
    own.step = step;
    if (const LastCheckpoint last = last_of(work_dir);
        !last.meant.empty() && last.written != newest)
        own.order = std::max(own.order, order_of(last.meant));
    ++own.order;
    return lineage;
}

}  // namespace ailab
