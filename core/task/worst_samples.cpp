#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/dataset.hpp"
#include "ailab/task.hpp"
#include "config/formats.hpp"
#include "modules/fields.hpp"

namespace ailab {
namespace {

constexpr int64_t longest_side = 128;  // of a picture in the report

Tensor shrunk(const Tensor& pixels) {
    const int64_t height = pixels.size(1), width = pixels.size(2);
    const double shrink = double(std::max(height, width)) / longest_side;
    if (shrink <= 1) return pixels;
    const auto to = [&](int64_t size) {
        return std::max<int64_t>(1, int64_t(double(size) / shrink));
    };
    return at::_upsample_bilinear2d_aa(pixels.unsqueeze(0), {to(height), to(width)},
                                       /*align_corners=*/false)
        .squeeze(0);
}

bool is_picture(const Tensor& image) {
    return image.defined() && image.dim() == 3 && image.numel() > 0 &&
           (image.size(0) == 1 || image.size(0) == 3);
}

}  // namespace

Tensor image_in(const Sample& sample) {
    const auto picture = [&](const std::string& name) -> const Tensor* {
        const auto field = sample.fields.find(name);
        const auto* tensor =
            field == sample.fields.end() ? nullptr : std::get_if<Tensor>(&field->second);
        return tensor && is_picture(*tensor) ? tensor : nullptr;
    };
    const std::string* name = find_image(sample.specs.get(), picture);
    return name ? *picture(*name) : Tensor();
}

Tensor drawn(const Task& task, const Tensor& image, const Sample& sample) {
    Tensor bytes = image.detach().to(at::kCPU);
    if (bytes.scalar_type() != at::kByte) {
        bytes = bytes.to(at::kFloat);
        const double low = bytes.min().item<double>(), range = bytes.max().item<double>() - low;
        bytes = ((bytes - low) * (range > 0 ? 255 / range : 0)).nan_to_num().round().to(at::kByte);
    }
    bytes = bytes.expand({3, bytes.size(1), bytes.size(2)}).clone();
    const Tensor picture = task.draw(bytes, sample);
    if (!picture.defined()) return image;
    if (picture.dim() != 3 || picture.size(0) != 3 || picture.scalar_type() != at::kByte)
        throw Error(concat("a task draws uint8 [3, H, W], and gave ",
                           c10::toString(picture.scalar_type()), " ", c10::str(picture.sizes())));
    return picture;
}

std::string picture_of(const Dataset& dataset, int64_t id, const Task& task) {
    Sample sample;
    try {
        SampleContext context;
        context.tolerant = true;
        sample = get_sample(dataset, id, context, specs_of(dataset));
        sample.decode();
    } catch (const Error&) {
        // A picture less in the report; what is wrong with the sample was said when it was read.
        return "";
    }
    const Tensor image = image_in(sample);
    if (!image.defined()) return "";
    const Tensor shown = drawn(task, image, sample);
    Tensor pixels = shown.to(at::kFloat);
    if (shown.is_floating_point()) {  // scaled by the dataset itself
        const Tensor low = pixels.min(), high = pixels.max();
        pixels = (pixels - low) / (high - low).clamp_min(1e-9) * 255;
    }
    return encode_png(shrunk(pixels).round().clamp(0, 255).to(at::kByte));
}

void WorstSamples::keep(One one) {
    if (std::isnan(one.error)) one.error = std::numeric_limits<double>::infinity();
    const auto worse = [](const One& a, const One& b) {
        return a.error != b.error ? a.error > b.error : a.id < b.id;
    };
    samples_.insert(std::upper_bound(samples_.begin(), samples_.end(), one, worse), std::move(one));
    if (samples_.size() > most_) samples_.pop_back();
}

void WorstSamples::add(int64_t id, double error, const std::function<Words()>& words) {
    if (most_ == 0) return;
    if (samples_.size() == most_) {
        const One& last = samples_.back();
        if (error < last.error || (error == last.error && id > last.id)) return;
    }
    keep({id, error, words(), "", ""});
}

void WorstSamples::gather(Comm& comm, const Dataset& dataset, const Task& task) {
    std::string mine;
    for (const One& one : samples_) {
        Node line = Node::list({Node(Node::Value(one.id)), Node(Node::Value(one.error)),
                                Node::string(one.words.caption)});
        for (const std::string& cell : one.words.cells) line.items().push_back(Node::string(cell));
        mine += to_json(line) + "\n";
    }
    samples_.clear();
    for (const std::string& text : comm.gather_text(mine)) {
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = text.find('\n', begin);
            const Node line = from_json(text.substr(begin, end - begin), "a rank's worst samples");
            begin = end + 1;
            const Node::List& items = line.items();
            One one{
                items[0].as_int(),
                items[1].is_null() ? std::numeric_limits<double>::infinity() : items[1].as_float(),
                {items[2].as_string(), {}},
                "",
                ""};
            for (size_t i = 3; i < items.size(); ++i)
                one.words.cells.push_back(items[i].as_string());
            keep(std::move(one));
        }
    }
    if (comm.rank() != 0) return;
    for (One& one : samples_) {
        one.name = dataset.sample_name(one.id);
        one.picture = picture_of(dataset, one.id, task);
    }
}

void WorstSamples::show(Page& page, const std::string& heading,
                        std::vector<std::string> header) const {
    if (samples_.empty()) return;
    page.heading(heading);
    std::vector<std::vector<std::string>> rows;
    for (const One& one : samples_) {
        if (!one.picture.empty())
            page.image(one.picture, concat("#", one.id, ": ", one.words.caption));
        rows.push_back({std::to_string(one.id), one.name});
        rows.back().insert(rows.back().end(), one.words.cells.begin(), one.words.cells.end());
    }
    header.insert(header.begin(), {"sample", "name"});
    page.table(header, rows);
}

}  // namespace ailab
