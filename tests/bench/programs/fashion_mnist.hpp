#pragma once
// Fashion-MNIST as a plain program reads it: uint8 images and int64 labels in memory.
#include <ATen/ATen.h>
#include <zlib.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

inline std::vector<unsigned char> read_gz(const std::string& path, size_t bytes) {
    gzFile file = gzopen(path.c_str(), "rb");
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<unsigned char> data(bytes);
    const bool whole = gzread(file, data.data(), unsigned(bytes)) == int(bytes);
    gzclose(file);
    if (!whole) throw std::runtime_error("short file " + path);
    return data;
}

struct FashionMnist {
    at::Tensor images;  // [60000, 1, 28, 28] uint8
    at::Tensor labels;  // [60000] int64
    explicit FashionMnist(const std::string& root = "/usr/share/datasets/fashion-mnist") {
        constexpr int64_t n = 60000;
        const auto i = read_gz(root + "/train-images-idx3-ubyte.gz", 16 + n * 784);
        const auto l = read_gz(root + "/train-labels-idx1-ubyte.gz", 8 + n);
        images = at::empty({n, 1, 28, 28}, at::kByte);
        std::copy(i.begin() + 16, i.end(), images.mutable_data_ptr<uint8_t>());
        labels = at::empty({n}, at::kLong);
        std::copy(l.begin() + 8, l.end(), labels.mutable_data_ptr<int64_t>());
    }
};
