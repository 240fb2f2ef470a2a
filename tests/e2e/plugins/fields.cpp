// Data sets that declare their fields: images with what lies on them, padded sequences, and graphs
// one after another.
#include <ailab/ailab.hpp>
#include <fstream>

AILAB_PLUGIN("fields", "1.0", "Samples with boxes, lengths and offsets")

namespace {

using ailab::BatchLayout;
using ailab::FieldRole;
using ailab::Tensor;

struct Size {
    int64_t size = 40;
    void visit(ailab::OptionVisitor& v) {
        v.option("size", size, "number of samples", ailab::at_least(1));
    }
};

// ---- images with boxes, keypoints and a mask

/// Images of different sizes whose pixels say where they are: x and y of their middle, and 1. Some
/// have no box.
class Objects final : public ailab::Dataset {
  public:
    using Options = Size;
    explicit Objects(const Options& options) : size_(options.size) {}
    int64_t size() const override { return size_; }
    ailab::FieldSpecs field_specs() const override {
        return {{.name = "image",
                 .role = FieldRole::image,
                 .layout = BatchLayout::stack,
                 .dtype = at::kFloat},
                {.name = "mask", .role = FieldRole::mask, .layout = BatchLayout::stack},
                {.name = "boxes",
                 .role = FieldRole::boxes,
                 .layout = BatchLayout::concat,
                 .dtype = at::kFloat},
                {.name = "keypoints",
                 .role = FieldRole::keypoints,
                 .layout = BatchLayout::list,
                 .belongs_to = "boxes",
                 .flip_indices = {1, 0, 2}},
                {.name = "labels",
                 .role = FieldRole::label,
                 .layout = BatchLayout::list,
                 .belongs_to = "boxes"}};
    }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const int64_t height = 44 + i % 5 * 3, width = 42 + i % 7 * 4, count = i % 4;
        ailab::Philox random(11, 0, uint64_t(i));
        const Tensor x = (torch::arange(width) + 0.5).expand({height, width});
        const Tensor y = (torch::arange(height) + 0.5).unsqueeze(1).expand({height, width});
        ailab::Sample sample;
        sample.set("image", torch::stack({x, y, torch::ones({height, width})}).to(at::kFloat));
        sample.set("mask", (torch::arange(height * width) % 251).view({height, width}));
        Tensor boxes = torch::empty({count, 4}), keypoints = torch::empty({count, 3, 3});
        for (int64_t n = 0; n < count; ++n) {
            const double left = random.uniform(0, double(width) - 6);
            const double top = random.uniform(0, double(height) - 6);
            const double right = random.uniform(left + 2, double(width));
            const double bottom = random.uniform(top + 2, double(height));
            boxes[n] = torch::tensor({left, top, right, bottom}).to(at::kFloat);
            for (int64_t k = 0; k < 3; ++k)
                keypoints[n][k] = torch::tensor({random.uniform(left, right),
                                                 random.uniform(top, bottom), k == 2 ? 1.0 : 2.0})
                                      .to(at::kFloat);
        }
        sample.set("boxes", boxes);
        sample.set("keypoints", keypoints);
        sample.set("labels", torch::arange(count) + 10 * i);
        return sample;
    }
    std::string sample_name(int64_t i) const override { return ailab::concat("object", i); }

  private:
    const int64_t size_;
};
AILAB_REGISTER_DATASET(Objects, "Images with boxes, keypoints and a mask")

/// Says from the image what lies on it: `truth` are the sums of what the fields hold.
class ObjectNet final : public ailab::Model {
  public:
    ObjectNet() {
        conv = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, 3)));
        head = register_module("head", torch::nn::Linear(4, 4));
    }
    std::vector<std::string> inputs() const override {
        return {"image", "mask", "boxes", "boxes_offsets", "keypoints", "labels"};
    }
    std::vector<std::string> outputs() const override { return {"prediction", "truth"}; }
    ailab::Batch forward_batch(const ailab::Batch& in) override {
        const Tensor image = in.tensor("image"), boxes = in.tensor("boxes");
        const Tensor features = torch::tanh(conv(image / 50)).mean({2, 3});
        std::vector<Tensor> truths;
        for (int64_t i = 0; i < in.size; ++i) {
            const auto begin = in.tensor("boxes_offsets")[i].item<int64_t>();
            const auto end = in.tensor("boxes_offsets")[i + 1].item<int64_t>();
            TORCH_CHECK(end - begin == in.tensors("labels")[size_t(i)].size(0));
            truths.push_back(torch::stack(
                {boxes.slice(0, begin, end).sum() / 100,
                 in.tensors("keypoints")[size_t(i)].sum().to(image.scalar_type()) / 100,
                 in.tensor("mask")[i].to(image.scalar_type()).mean() / 100,
                 torch::scalar_tensor(double(end - begin), image.options())}));
        }
        return {{"prediction", head(features)}, {"truth", torch::stack(truths)}};
    }

  private:
    torch::nn::Conv2d conv{nullptr};
    torch::nn::Linear head{nullptr};
};
AILAB_REGISTER_MODEL(ObjectNet, "Guesses what lies on an image")

/// `<folder>/<epoch>.<id>.<field>`: a line with the shape, then the numbers as float64.
class DumpObjects final : public ailab::Hook {
  public:
    struct Options {
        std::string folder;
        void visit(ailab::OptionVisitor& v) { v.required("folder", folder, "where the files go"); }
    };
    explicit DumpObjects(const Options& options) : folder_(options.folder) {}
    void before_train_iter(ailab::Run& run) override {
        const ailab::Batch& batch = run.batch();
        const Tensor offsets = batch.tensor("boxes_offsets");
        for (int64_t i = 0; i < batch.size; ++i) {
            const auto write = [&](const char* field, const Tensor& value) {
                std::ofstream file(ailab::concat(folder_, "/", run.progress().epoch, ".",
                                                 batch.ids[size_t(i)], ".", field),
                                   std::ios::binary);
                for (const int64_t size : value.sizes()) file << size << ' ';
                file << '\n';
                const Tensor numbers = value.to(at::kDouble).contiguous();
                file.write(static_cast<const char*>(numbers.const_data_ptr()),
                           std::streamsize(numbers.nbytes()));
            };
            write("image", batch.tensor("image")[i]);
            write("mask", batch.tensor("mask")[i]);
            write("boxes", batch.tensor("boxes").slice(0, offsets[i].item<int64_t>(),
                                                       offsets[i + 1].item<int64_t>()));
            write("keypoints", batch.tensors("keypoints")[size_t(i)]);
            write("labels", batch.tensors("labels")[size_t(i)]);
        }
    }

  private:
    const std::string folder_;
};
AILAB_REGISTER_HOOK(DumpObjects, "Writes each sample of Objects as the model gets it")

// ---- sequences

/// Sample i has 3 to 42 tokens; the tag of a token follows from the one before it.
class Sentences final : public ailab::Dataset {
  public:
    using Options = Size;
    explicit Sentences(const Options& options) : size_(options.size) {}
    int64_t size() const override { return size_; }
    ailab::FieldSpecs field_specs() const override {
        return {{.name = "tokens",
                 .layout = BatchLayout::pad,
                 .dtype = at::kLong,
                 .pad_value = 0,
                 .pad_multiple = 8},
                {.name = "tags",
                 .role = FieldRole::label,
                 .layout = BatchLayout::pad,
                 .dtype = at::kLong,
                 .pad_value = -100,
                 .pad_multiple = 8}};
    }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const Tensor tokens = (torch::arange(length(i)) * 5 + i) % 20;
        ailab::Sample sample;
        sample.set("tokens", tokens);
        sample.set("tags", torch::roll(tokens, 1) % 4);
        return sample;
    }
    std::vector<int64_t> lengths(const std::string& field) const override {
        std::vector<int64_t> lengths;
        if (field == "tokens" || field == "tags")
            for (int64_t i = 0; i < size_; ++i) lengths.push_back(length(i));
        return lengths;
    }

  private:
    static int64_t length(int64_t i) { return 3 + i * 7 % 40; }
    const int64_t size_;
};
AILAB_REGISTER_DATASET(Sentences, "Tokens with a tag each")

class LengthTagger final : public ailab::Model {
  public:
    LengthTagger() {
        embedding = register_module("embedding", torch::nn::Embedding(20, 8));
        head = register_module("head", torch::nn::Linear(8, 4));
    }
    std::vector<std::string> inputs() const override { return {"tokens", "tokens_length"}; }
    ailab::Batch forward_batch(const ailab::Batch& in) override {
        const Tensor tokens = in.tensor("tokens"), length = in.tensor("tokens_length");
        TORCH_CHECK(tokens.size(1) % 8 == 0);
        const Tensor x = embedding(tokens);
        const Tensor there =
            torch::arange(tokens.size(1)).lt(length.unsqueeze(1)).unsqueeze(2).to(x.scalar_type());
        const Tensor mean = (x * there).sum(1) / length.unsqueeze(1);
        return {{"output", head(torch::tanh(x + mean.unsqueeze(1))).transpose(1, 2)}};
    }

  private:
    torch::nn::Embedding embedding{nullptr};
    torch::nn::Linear head{nullptr};
};
AILAB_REGISTER_MODEL(LengthTagger, "A tag for each token, from it and the mean of its sentence")

// ---- graphs

/// Graph i has 1 to 6 nodes on a ring, and no edge where there is one node.
class Rings final : public ailab::Dataset {
  public:
    using Options = Size;
    explicit Rings(const Options& options) : size_(options.size) {}
    int64_t size() const override { return size_; }
    ailab::FieldSpecs field_specs() const override {
        return {{.name = "nodes", .layout = BatchLayout::concat, .dtype = at::kFloat},
                {.name = "edges", .layout = BatchLayout::concat, .dtype = at::kLong},
                {.name = "target", .role = FieldRole::label, .layout = BatchLayout::stack}};
    }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const int64_t count = 1 + i % 6;
        ailab::Philox random(13, 0, uint64_t(i));
        Tensor nodes = torch::empty({count, 3});
        for (int64_t n = 0; n < count; ++n)
            for (int64_t k = 0; k < 3; ++k) nodes[n][k] = random.normal();
        const Tensor from = torch::arange(count == 1 ? 0 : count);
        ailab::Sample sample;
        sample.set("nodes", nodes);
        sample.set("edges", torch::stack({from, (from + 1) % count}, 1));
        sample.set("target", nodes.select(1, 0).sum().view({1}));
        return sample;
    }

  private:
    const int64_t size_;
};
AILAB_REGISTER_DATASET(Rings, "Graphs of different sizes")

class RingNet final : public ailab::Model {
  public:
    RingNet() {
        own = register_module("own", torch::nn::Linear(3, 8));
        other = register_module("other", torch::nn::Linear(3, 8));
        head = register_module("head", torch::nn::Linear(8, 1));
    }
    std::vector<std::string> inputs() const override {
        return {"nodes", "nodes_offsets", "edges", "edges_offsets"};
    }
    ailab::Batch forward_batch(const ailab::Batch& in) override {
        const Tensor nodes = in.tensor("nodes"), offsets = in.tensor("nodes_offsets");
        const Tensor first = offsets.slice(0, 0, -1), counts = offsets.diff();
        // Edges count the nodes of their own graph.
        const Tensor edges =
            in.tensor("edges") +
            torch::repeat_interleave(first, in.tensor("edges_offsets").diff()).unsqueeze(1);
        const Tensor messages = other(nodes).index_select(0, edges.select(1, 0));
        const Tensor x = torch::tanh(own(nodes).index_add(0, edges.select(1, 1), messages));
        const Tensor graph = torch::repeat_interleave(torch::arange(in.size), counts);
        return {{"output", head(torch::zeros({in.size, 8}, x.options()).index_add(0, graph, x))}};
    }

  private:
    torch::nn::Linear own{nullptr}, other{nullptr}, head{nullptr};
};
AILAB_REGISTER_MODEL(RingNet, "Passes messages along edges and adds up the nodes of each graph")

}  // namespace
