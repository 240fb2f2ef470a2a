// A format of images that is slow to decode, and a dataset of such files.
#include <ailab/ailab.hpp>
#include <chrono>
#include <thread>

AILAB_PLUGIN("pictures", "1.0", "Images that are slow to decode")

namespace {

using ailab::Tensor;

constexpr int64_t side = 4;

/// "PICT" and 48 bytes, each the value of a pixel's channel.
class Picture : public ailab::Image {
  public:
    explicit Picture(ailab::EncodedImage encoded) : encoded_(std::move(encoded)) {}
    int64_t height() const override { return side; }
    int64_t width() const override { return side; }
    Tensor pixels() const override {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const auto bytes = encoded_.bytes.subspan(4);
        if (bytes.size() < side * side * 3) throw ailab::BrokenSample(encoded_.name + " is cut");
        return torch::from_blob(const_cast<uint8_t*>(bytes.data()), {side, side, 3}, torch::kByte)
            .clone()
            .permute({2, 0, 1});
    }
    Tensor pixels(const ailab::Region& r) const override {
        return pixels().narrow(1, r.top, r.height).narrow(2, r.left, r.width);
    }

  private:
    const ailab::EncodedImage encoded_;
};

class PictureDecoder : public ailab::ImageDecoder {
  public:
    bool recognises(std::span<const uint8_t> head) const override {
        return head.size() >= 4 && std::string(head.begin(), head.begin() + 4) == "PICT";
    }
    ailab::ImagePtr open(ailab::EncodedImage encoded, const ailab::DecodeOptions&) const override {
        return std::make_shared<Picture>(std::move(encoded));
    }
};
AILAB_REGISTER_IMAGE_DECODER(PictureDecoder, "pict", "Pixels as they are, slowly")

class Pictures : public ailab::Dataset {
  public:
    struct Options {
        std::string root;
        int64_t size = 0;
        ailab::ImageReader::Options images;
        void visit(ailab::OptionVisitor& v) {
            v.required("root", root, "folder of the files");
            v.option("size", size, "number of files", ailab::at_least(1));
            images.visit(v);
        }
    };
    explicit Pictures(const Options& o) : o_(o), reader_(o.images) {}
    int64_t size() const override { return o_.size; }
    ailab::Sample get(int64_t i, const ailab::SampleContext& context) const override {
        const std::string path = ailab::concat(o_.root, "/", i, ".pict");
        ailab::Sample sample;
        sample.set("input", reader_.open(path, context));
        sample.set("target", torch::scalar_tensor(i % 4, torch::kLong));
        return sample;
    }

  private:
    const Options o_;
    const ailab::ImageReader reader_;
};
AILAB_REGISTER_DATASET(Pictures, "Files of a folder, 0.pict, 1.pict, …")

/// Pixels as numbers of 0 … 1.
class Scaled : public ailab::Transform {
  public:
    void apply(ailab::Sample& sample, ailab::Philox&) const override {
        sample.set("input", sample.tensor("input").to(torch::kFloat) / 255);
    }
};
AILAB_REGISTER_TRANSFORM(Scaled, "Pixels of 0 … 1")

}  // namespace
