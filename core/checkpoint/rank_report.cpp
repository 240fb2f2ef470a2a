#include "rank_report.hpp"

#include <locale>
#include <sstream>

#include "ailab/error.hpp"

namespace ailab {

std::string RankReport::encode() const {
    if (!error.empty()) return "!" + error;
    std::ostringstream text;
    text.imbue(std::locale::classic());
    for (const auto& [name, digest] : files)
        text << name << ' ' << digest.size << ' ' << digest.crc32c << '\n';
    return text.str();
}

RankReport RankReport::decode(const std::string& text) {
    RankReport report;
    if (!text.empty() && text.front() == '!') {
        report.error = text.substr(1);
        return report;
    }
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    std::string name;
    for (FileDigest digest; stream >> name >> digest.size >> digest.crc32c;)
        report.files[name] = digest;
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
