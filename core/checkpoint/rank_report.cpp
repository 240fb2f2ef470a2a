#include "rank_report.hpp"

#include "ailab/error.hpp"
#include "config/formats.hpp"

namespace ailab {

std::string RankReport::encode() const {
    if (!error.empty()) return "!" + error;
    Node digests = Node::map();
    for (const auto& [name, digest] : files) {
        Node entry = Node::list();
        entry.items().emplace_back(int64_t(digest.size));
        entry.items().emplace_back(int64_t(digest.crc32c));
        digests.set(name, std::move(entry));
    }
    Node root = Node::map();
    root.set("files", std::move(digests));
    root.set("shards", to_node(shards));
    root.set("rank_tensors", Node(has_rank_tensors));
    return to_json(root);
}

RankReport RankReport::decode(const std::string& text) {
    RankReport report;
    if (!text.empty() && text.front() == '!') {
        report.error = text.substr(1);
        return report;
    }
    const Node root = from_json(text, "a rank's report");
    for (const Member& file : root.find("files")->members())
        report.files[file.key] = {uint64_t(file.value.items()[0].as_int()),
                                  uint32_t(file.value.items()[1].as_int())};
    report.shards = sharded_tensors_from(*root.find("shards"), "a rank's report");
    report.has_rank_tensors = root.find("rank_tensors")->as_bool();
    return report;
}

std::string combine_errors(const std::vector<RankReport>& reports) {
    std::string text;
    int more = 0;
    for (size_t rank = 0; rank < reports.size(); ++rank) {
        if (reports[rank].error.empty()) continue;
        if (text.empty())
            text = concat("[rank ", rank, "] ", reports[rank].error);
        else
            ++more;
    }
    return more > 0 ? concat(text, " (and an error on ", more, " more rank(s))") : text;
}

}  // namespace ailab
