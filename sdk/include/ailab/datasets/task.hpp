#pragma once
// What a dataset's samples are for: each task fixes the names of their fields. A dataset picks a
// record source and a task, and writes how one becomes the other:
//
//     class Prices : public ailab::StoredDataset<ailab::CsvTable, ailab::Regression> {
//       public:
//         explicit Prices(const Options& options) : StoredDataset(options) {}
//       protected:
//         Regression make(const Record& row, const SampleContext&) const override {
//             return {.input = at::tensor(row.numbers("rooms")), .target = …};
//         }
//     };
#include "ailab/dataset.hpp"
#include "ailab/datasets/record_source.hpp"

namespace ailab {

/// A field is a tensor, text, or an image that is decoded later.
struct AILAB_API Classification {
    SampleField input;
    int64_t label = 0;
    static std::vector<std::string> fields() { return {"input", "label"}; }
    Sample sample();
};
struct AILAB_API Regression {
    SampleField input;
    Tensor target;
    static std::vector<std::string> fields() { return {"input", "target"}; }
    Sample sample();
};
struct AILAB_API Detection {
    SampleField image;
    Tensor boxes;   // [n, 4] float32: left, top, right, bottom in pixels
    Tensor labels;  // [n] int64
    static std::vector<std::string> fields() { return {"image", "boxes", "labels"}; }
    static FieldSpecs field_specs();
    Sample sample();
};
struct AILAB_API Segmentation {
    SampleField image;
    SampleField mask;  // [H, W] int64, or an image of mode `unchanged`
    static std::vector<std::string> fields() { return {"image", "mask"}; }
    static FieldSpecs field_specs();
    Sample sample();
};
struct AILAB_API Keypoints {
    SampleField image;
    Tensor keypoints;  // [n, k, 3] float32: x, y, visibility
    static std::vector<std::string> fields() { return {"image", "keypoints"}; }
    static FieldSpecs field_specs();
    Sample sample();
};
struct AILAB_API Panoptic {
    SampleField image;
    SampleField semantic;
    SampleField instance;
    static std::vector<std::string> fields() { return {"image", "semantic", "instance"}; }
    static FieldSpecs field_specs();
    Sample sample();
};
struct AILAB_API Video {
    Tensor frames;  // [T, C, H, W]
    int64_t label = 0;
    static std::vector<std::string> fields() { return {"frames", "label"}; }
    Sample sample();
};
struct AILAB_API TimeSeries {
    Tensor series;  // [T, C]
    Tensor target;
    static std::vector<std::string> fields() { return {"series", "target"}; }
    Sample sample();
};
struct AILAB_API Audio {
    Tensor audio;  // [C, T]
    int64_t label = 0;
    static std::vector<std::string> fields() { return {"audio", "label"}; }
    Sample sample();
};
struct AILAB_API Speech {
    Tensor audio;  // [C, T]
    std::string text;
    static std::vector<std::string> fields() { return {"audio", "text"}; }
    Sample sample();
};
struct AILAB_API TextClassification {
    SampleField text;  // words, or a tensor of tokens
    int64_t label = 0;
    static std::vector<std::string> fields() { return {"text", "label"}; }
    Sample sample();
};
struct AILAB_API SequenceToSequence {
    SampleField source;
    SampleField target;
    static std::vector<std::string> fields() { return {"source", "target"}; }
    Sample sample();
};
struct AILAB_API GraphClassification {
    Tensor graph;  // as the model wants it: usually the edges, [2, E]
    int64_t label = 0;
    static std::vector<std::string> fields() { return {"graph", "label"}; }
    Sample sample();
};

/// Samples of `Task` from the records of `Source`. A subclass with options beside the
/// source's derives its Options from Source::Options and visits those too.
template <class Source, class Task>
class StoredDataset : public Dataset {
  public:
    using Options = typename Source::Options;

    int64_t size() const override { return source_.size(); }
    std::vector<std::string> fields() const override { return Task::fields(); }
    FieldSpecs field_specs() const override {
        if constexpr (requires { Task::field_specs(); })
            return Task::field_specs();
        else
            return Dataset::field_specs();
    }
    std::string sample_name(int64_t index) const override { return source_.place(index); }
    Sample get(int64_t index, const SampleContext& context) const final {
        return make(source_.record(index), context).sample();
    }
    DataDigest digest() const override {
        DataDigest digest = digest_without_names();
        digest.merge(source_.digest());
        return digest;
    }

  protected:
    explicit StoredDataset(const Options& options) : source_(options) {}
    /// Called from several threads at once. Throws BrokenSample (Record does) when the record
    /// cannot be used.
    virtual Task make(const Record& record, const SampleContext& context) const = 0;
    const Source& source() const { return source_; }

  private:
    const Source source_;
};

}  // namespace ailab
