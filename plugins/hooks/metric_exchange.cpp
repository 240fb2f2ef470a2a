#include "metric_exchange.hpp"

#include <algorithm>
#include <locale>
#include <numeric>
#include <sstream>
#include <tuple>

namespace ailab {
namespace {

enum Kind : int { whole_sums, real_sums, whole_rows, real_rows };

bool is_rows(int kind) {
    return kind == whole_rows || kind == real_rows;
}
at::ScalarType type_of(int kind) {
    return kind == real_sums || kind == real_rows ? at::kDouble : at::kLong;
}

/// The metric's place, whether they are rows, and the name.
using Key = std::tuple<size_t, bool, std::string>;

/// One state of one metric.
struct Block {
    int kind = whole_sums;
    /// Of a part or a row.
    std::vector<int64_t> shape;
    /// Parts or rows on each rank.
    std::vector<int64_t> counts;
    int64_t offset = 0;

    int64_t elements() const {
        return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    }
    int64_t most() const { return *std::max_element(counts.begin(), counts.end()); }
    int64_t size() const {
        if (kind == whole_sums) return elements();
        if (kind == real_sums) return most() * int64_t(counts.size()) * elements();
        return std::accumulate(counts.begin(), counts.end(), int64_t{0}) * elements();
    }
    std::vector<int64_t> with_first(int64_t n) const {
        std::vector<int64_t> all = {n};
        all.insert(all.end(), shape.begin(), shape.end());
        return all;
    }
};

std::map<Key, Tensor> mine(const std::vector<MetricSums*>& metrics) {
    std::map<Key, Tensor> result;
    for (size_t m = 0; m < metrics.size(); ++m) {
        for (const auto& [name, parts] : metrics[m]->parts()) result[{m, false, name}] = parts;
        for (const auto& [name, rows] : metrics[m]->rows()) result[{m, true, name}] = rows;
    }
    return result;
}

/// A line for each state: metric, kind, parts or rows, dimensions, shape, name.
std::string describe(const std::map<Key, Tensor>& tensors) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    for (const auto& [key, tensor] : tensors) {
        const auto& [metric, rows, name] = key;
        const bool real = tensor.scalar_type() == at::kDouble;
        const Kind kind = rows ? (real ? real_rows : whole_rows) : (real ? real_sums : whole_sums);
        text << metric << ' ' << kind << ' ' << tensor.size(0) << ' ' << tensor.dim() - 1;
        for (const int64_t size : tensor.sizes().slice(1)) text << ' ' << size;
        text << ' ' << name << '\n';
    }
    return text.str();
}

/// All ranks' states, placed one after the other.
std::map<Key, Block> layout(const std::vector<std::string>& texts,
                            const std::vector<MetricSums*>& metrics) {
    std::map<Key, Block> blocks;
    for (size_t rank = 0; rank < texts.size(); ++rank) {
        std::istringstream lines(texts[rank]);
        lines.imbue(std::locale::classic());
        size_t metric = 0, dims = 0;
        int kind = 0;
        int64_t count = 0;
        while (lines >> metric >> kind >> count >> dims) {
            std::vector<int64_t> shape(dims);
            for (int64_t& size : shape) lines >> size;
            std::string name;
            std::getline(lines.ignore(), name);
            const auto [entry, is_new] = blocks.try_emplace(Key{metric, is_rows(kind), name});
            Block& block = entry->second;
            if (is_new) {
                block.kind = kind;
                block.shape = shape;
                block.counts.resize(texts.size());
            } else if (block.kind != kind || block.shape != shape) {
                throw Error(concat(metrics.at(metric)->label(), ": rank ", rank, " has counted \"",
                                   name, "\" in the shape ", c10::str(at::IntArrayRef(shape)),
                                   ", an earlier rank in ", c10::str(at::IntArrayRef(block.shape)),
                                   "; give the metric num_classes, or make the outputs alike"));
            }
            block.counts[rank] = count;
        }
    }
    int64_t offset = 0;
    for (auto& [key, block] : blocks) {
        block.offset = offset;
        offset += block.size();
    }
    return blocks;
}

/// The block's piece of the buffer that rank `rank` fills, as [parts or rows, …].
Tensor place(const Tensor& buffer, const Block& block, size_t rank) {
    const Tensor all = buffer.narrow(0, block.offset, block.size());
    if (block.kind == whole_sums) return all.reshape(block.with_first(1));
    const int64_t n = block.counts[rank];
    if (block.kind == real_sums) {
        const auto ranks = int64_t(block.counts.size());
        std::vector<int64_t> shape = block.with_first(block.most());
        shape.insert(shape.begin() + 1, ranks);
        return all.reshape(shape).select(1, int64_t(rank)).narrow(0, 0, n);
    }
    const int64_t before =
        std::accumulate(block.counts.begin(), block.counts.begin() + int64_t(rank), int64_t{0});
    return all.narrow(0, before * block.elements(), n * block.elements())
        .reshape(block.with_first(n));
}

/// In order, one after the other.
Tensor add_up(const Tensor& parts) {
    Tensor sum = at::zeros(parts.sizes().slice(1), at::kDouble);
    auto* total = sum.mutable_data_ptr<double>();
    const auto* value = parts.const_data_ptr<double>();
    const int64_t n = sum.numel();
    for (int64_t p = 0; p < parts.size(0); ++p)
        for (int64_t i = 0; i < n; ++i) total[i] += *value++;
    return sum;
}

Tensor take(const Tensor& buffer, const Block& block) {
    const Tensor numbers = buffer.narrow(0, block.offset, block.size()).view(type_of(block.kind));
    if (block.kind == whole_sums) return numbers.reshape(block.shape).clone();
    const int64_t n = block.elements() == 0 ? 0 : numbers.numel() / block.elements();
    const Tensor parts = numbers.reshape(block.with_first(n));
    return block.kind == real_sums ? add_up(parts) : parts;
}

}  // namespace

std::vector<MetricStates> sum_over_ranks(const std::vector<MetricSums*>& metrics, Comm& comm) {
    const std::map<Key, Tensor> tensors = mine(metrics);
    const std::map<Key, Block> blocks = layout(comm.gather_text(describe(tensors)), metrics);
    int64_t size = 0;
    for (const auto& [key, block] : blocks) size += block.size();
    // Every number that is not a whole sum has a place of its own, and zeros from the other ranks:
    // so one sum of whole numbers carries the bits of all.
    Tensor buffer = at::zeros({size}, at::kLong);
    for (const auto& [key, tensor] : tensors)
        place(buffer, blocks.at(key), size_t(comm.rank()))
            .copy_(tensor.contiguous().view(at::kLong));
    if (size > 0) comm.all_reduce_sum(buffer);
    std::vector<MetricStates> sums(metrics.size());
    for (const auto& [key, block] : blocks)
        sums[std::get<0>(key)][std::get<2>(key)] = take(buffer, block);
    return sums;
}

}  // namespace ailab
