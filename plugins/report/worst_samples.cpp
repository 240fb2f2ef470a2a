#include "worst_samples.hpp"

#include <algorithm>
#include <locale>
#include <sstream>

namespace ailab::report {

void WorstSamples::keep_worst() {
    std::sort(samples_.begin(), samples_.end(), [](const Verdict& a, const Verdict& b) {
        return std::pair(a.label_probability, a.id) < std::pair(b.label_probability, b.id);
    });
    if (samples_.size() > most_) samples_.resize(most_);
}

void WorstSamples::add(const Verdicts& verdicts) {
    for (const Verdict& verdict : verdicts.samples)
        if (verdict.label >= 0 && verdict.predicted != verdict.label) samples_.push_back(verdict);
    keep_worst();
}

void WorstSamples::gather(Comm& comm) {
    std::ostringstream mine;
    mine.imbue(std::locale::classic());
    mine.precision(17);
    for (const Verdict& v : samples_)
        mine << v.id << ' ' << v.label << ' ' << v.predicted << ' ' << v.probability << ' '
             << v.label_probability << '\n';
    samples_.clear();
    for (const std::string& text : comm.gather_text(mine.str())) {
        std::istringstream lines(text);
        lines.imbue(std::locale::classic());
        for (Verdict v;
             lines >> v.id >> v.label >> v.predicted >> v.probability >> v.label_probability;)
            samples_.push_back(v);
    }
    keep_worst();
}

std::string picture_of(const Dataset& dataset, int64_t id) {
    constexpr int64_t longest = 128;
    try {
        SampleContext context;
        context.tolerant = true;
        Sample sample = dataset.get(id, context);
        sample.decode();
        for (const char* name : {"input", "image"}) {
            const auto field = sample.fields.find(name);
            if (field == sample.fields.end()) continue;
            const auto* image = std::get_if<Tensor>(&field->second);
            if (!image || image->dim() != 3 || (image->size(0) != 1 && image->size(0) != 3))
                continue;
            Tensor pixels = image->to(at::kFloat);
            if (image->is_floating_point()) {  // scaled by the dataset itself
                const Tensor low = pixels.min(), high = pixels.max();
                pixels = (pixels - low) / (high - low).clamp_min(1e-9) * 255;
            }
            const int64_t height = pixels.size(1), width = pixels.size(2);
            if (const double shrink = double(std::max(height, width)) / longest; shrink > 1)
                pixels = at::_upsample_bilinear2d_aa(
                             pixels.unsqueeze(0),
                             {std::max<int64_t>(1, int64_t(double(height) / shrink)),
                              std::max<int64_t>(1, int64_t(double(width) / shrink))},
                             /*align_corners=*/false)
                             .squeeze(0);
            return encode_png(pixels.round().clamp(0, 255).to(at::kByte));
        }
    } catch (const Error&) {
        // A picture less in the report; what is wrong with the sample was said when it was read.
    }
    return "";
}

}  // namespace ailab::report
