#include "sample_report.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "ailab/log.hpp"
#include "config/formats.hpp"

namespace ailab {

namespace {

constexpr size_t most_lines = 10;

Node node_of(const SampleFault& fault, const std::string& loader, int64_t epoch) {
    Node node = Node::map();
    node.set("data", Node::string(loader));
    node.set("sample", Node(fault.id));
    node.set("name", Node::string(fault.name));
    node.set("epoch", Node(epoch + 1));
    node.set("used", Node(fault.used));
    node.set("reason", Node::string(fault.reason));
    return node;
}

/// "sample 17 (cats/17.jpg): the file is cut"; the name only where the reason does not have it.
std::string line_of(const Node& fault) {
    const std::string& name = fault.find("name")->as_string();
    const std::string& reason = fault.find("reason")->as_string();
    const bool named = name.empty() || reason.find(name) != std::string::npos;
    return concat("sample ", fault.find("sample")->as_int(), named ? "" : concat(" (", name, ")"),
                  fault.find("used")->as_bool() ? ", used: " : ": ", reason);
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

}  // namespace

void SampleReport::tell(Loader& loader, int64_t epoch) {
    const LoaderOptions& options = loader.options();
    if (options.whole_batches()) return;  // no sample is left out, or known to be damaged
    const SampleFaults faults = loader.take_faults();
    at::Tensor counts =
        at::tensor({faults.assigned, faults.left_out, faults.used_damaged}, at::kLong);
    if (comm_.world_size() > 1) comm_.all_reduce_sum(counts);
    const auto* sums = counts.const_data_ptr<int64_t>();
    const int64_t assigned = sums[0], left_out = sums[1], used = sums[2];
    Total& total = totals_[options.name];
    total.assigned += assigned;
    total.left_out += left_out;
    if (left_out == 0 && used == 0) return;
    if (comm_.rank() == 0)
        log_info(options.name, ": ", left_out, " of ", assigned, " samples were left out",
                 used > 0 ? concat(", ", used, " used though damaged") : "");
    Node::List mine;
    for (const SampleFault& fault : faults.list)
        if (!listed_.count({options.name, fault.id}))
            mine.push_back(node_of(fault, options.name, epoch));
    list(mine, options.name);
    // A phase may be longer than an epoch of the data.
    const int64_t samples = std::max<int64_t>(1, options.plan.samples);
    const int64_t epochs = std::max<int64_t>(1, (assigned + samples - 1) / samples);
    if (left_out > options.max_errors * epochs)
        throw Error(concat(options.name, ": ", left_out, " of ", assigned,
                           " samples cannot be used, and ", options.name,
                           "_dataloader.max_errors is ", options.max_errors,
                           "; they are listed in ", path_));
}

void SampleReport::expect_any(const Loader& loader) const {
    const std::string& name = loader.options().name;
    const auto found = totals_.find(name);
    if (found == totals_.end()) return;
    const Total& total = found->second;
    if (total.assigned == 0 || total.left_out < total.assigned) return;
    // A run that goes on in the middle of an epoch may meet broken ones alone until that ends.
    const BatchPlan& plan = loader.plan();
    const int64_t epoch = plan.samples_after(plan.iterations());
    const int64_t since_the_start = loader.epoch() * epoch + plan.samples_after(loader.iteration());
    if (total.assigned < std::min(epoch, since_the_start)) return;
    throw Error(concat(name, ": none of ", total.assigned,
                       " samples can be used; they are listed in ", path_));
}

/// What all ranks found, on rank 0.
void SampleReport::list(const Node::List& mine, const std::string& loader_name) {
    if (comm_.rank() == 0) read_earlier();
    std::string text;
    for (const Node& fault : mine) text += to_json(fault) + "\n";
    Node::List found;
    if (comm_.world_size() == 1) {
        for (const Node& fault : mine)
            if (is_new(fault)) found.push_back(fault);
    } else {
        for (const std::string& one : comm_.gather_text(text))
            for (const std::string& line : lines_of(one))
                if (Node fault = from_json(line, "another rank"); is_new(fault))
                    found.push_back(std::move(fault));
    }
    if (comm_.rank() != 0 || found.empty()) return;
    for (size_t i = 0; i < std::min(found.size(), most_lines); ++i)
        log_info(loader_name, ", ", line_of(found[i]));
    if (found.size() > most_lines)
        log_info(loader_name, ": ", found.size() - most_lines, " more are listed in ", path_);
    append(found);
}

bool SampleReport::is_new(const Node& fault) {
    const Node* data = fault.is_map() ? fault.find("data") : nullptr;
    const Node* sample = fault.is_map() ? fault.find("sample") : nullptr;
    if (!data || !data->is_string() || !sample || !sample->is_int())
        throw Error("no line about a broken sample");
    return listed_.emplace(data->as_string(), sample->as_int()).second;
}

void SampleReport::append(const Node::List& faults) {
    std::ofstream file(path_, std::ios::app);
    if (std::exchange(is_torn_, false)) file << '\n';
    for (const Node& fault : faults) file << to_json(fault) << '\n';
    file.flush();
    if (!file)
        log_warning("cannot write ", path_, "; the list of broken samples there is not complete");
}

/// A run that goes on does not list again what it listed before.
void SampleReport::read_earlier() {
    if (std::exchange(has_read_, true)) return;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
        is_torn_ = file.eof();
        try {
            is_new(from_json(line, path_));
        } catch (const Error&) {
            // The last line of a run that was killed: its sample is listed again.
        }
    }
}

}  // namespace ailab
