#include "channel_scale.hpp"

#include <ATen/ATen.h>

#include "vectorised.hpp"

namespace ailab::image {

ChannelScale::ChannelScale(const std::vector<double>& mean, const std::vector<double>& std) {
    for (size_t c = 0; c < mean.size(); ++c) {
        mean_.push_back(float(mean[c]));
        std_.push_back(float(std[c]));
        auto& table = tables_.emplace_back();
        for (size_t i = 0; i < table.size(); ++i)
            table[i] = (float(i) / 255.0F - mean_[c]) / std_[c];
    }
    for (size_t i = 0; i < block_mean_.size(); ++i) {
        block_mean_[i] = mean_[i % mean_.size()];
        block_std_[i] = std_[i % std_.size()];
    }
#if defined(__x86_64__)
    if (!has_avx2() || block % channels() != 0) return;
    by_arithmetic_ = true;
    for (size_t byte = 0; byte < 256; ++byte) {
        std::array<uint8_t, block> bytes;
        bytes.fill(uint8_t(byte));
        Block computed;
        write_by_arithmetic(bytes.data(), 1, computed.data());
        for (size_t i = 0; i < computed.size(); ++i)
            by_arithmetic_ = by_arithmetic_ && computed[i] == tables_[i % tables_.size()][byte];
    }
#endif
}

/// The quotients by a multiplication with the reciprocal, corrected by the remainder: equal to the
/// divisions but for rare divisors, which the constructor looks for.
void ChannelScale::write_by_arithmetic(const uint8_t* from, int64_t blocks, float* to) const {
    vectorised([this, from, blocks, to] {
        const float r255 = 1.0F / 255.0F;
        const Block mean = block_mean_, std = block_std_;
        Block rstd;
        for (int64_t j = 0; j < block; ++j) rstd[size_t(j)] = 1.0F / std[size_t(j)];
        for (int64_t i = 0; i < blocks * block; i += block) {
            for (int64_t j = 0; j < block; ++j) {
                const auto k = size_t(j);
                const float x = float(from[i + j]);
                const float unit = x * r255;
                const float y =
                    __builtin_fmaf(__builtin_fmaf(-unit, 255.0F, x), r255, unit) - mean[k];
                const float quotient = y * rstd[k];
                to[i + j] = __builtin_fmaf(__builtin_fmaf(-quotient, std[k], y), rstd[k], quotient);
            }
        }
    });
}

void ChannelScale::write_rows(const uint8_t* from, int64_t count, float* to) const {
    int64_t done = 0;
    if (by_arithmetic_) {
        write_by_arithmetic(from, count / block, to);
        done = count / block * block;
    }
    const auto period = size_t(channels());
    for (int64_t i = done; i < count; i += channels())
        for (size_t c = 0; c < period; ++c) to[i + int64_t(c)] = tables_[c][from[i + int64_t(c)]];
}

void ChannelScale::write_rows(const float* from, int64_t count, float* to) const {
    vectorised([=, this] {
        for (int64_t i = 0; i < count; i += channels())
            for (int64_t c = 0; c < channels(); ++c)
                to[i + c] = (from[i + c] - mean_[size_t(c)]) / std_[size_t(c)];
    });
}

void ChannelScale::write_planes(const uint8_t* from, int64_t pixels, Tensor& out) const {
    for (size_t c = 0; c < tables_.size(); ++c) {
        const std::array<float, 256>& table = tables_[c];
        auto* to = out.select(0, int64_t(c)).mutable_data_ptr<float>();
        for (int64_t i = 0; i < pixels; ++i) to[i] = table[from[i * channels() + int64_t(c)]];
    }
}

void ChannelScale::write(const Tensor& image, Tensor& out) const {
    const Tensor rows = rows_of(image);
    Tensor out_rows = out.permute({1, 2, 0});
    if (out_rows.is_contiguous())
        by_type(image, [&](auto type) {
            using T = decltype(type);
            write_rows(rows.const_data_ptr<T>(), image.numel(), out.mutable_data_ptr<float>());
        });
    else if (image.scalar_type() == at::kByte && out.select(0, 0).is_contiguous())
        write_planes(rows.const_data_ptr<uint8_t>(), image.size(1) * image.size(2), out);
    else
        out.copy_((*this)(image));
}

Tensor ChannelScale::operator()(const Tensor& image) const {
    Tensor result = new_image(image.size(0), image.size(1), image.size(2), at::kFloat);
    write(image, result);
    return result;
}

}  // namespace ailab::image
