#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/digest.hpp"
#include "ailab/loading.hpp"
#include "ailab/module_spec.hpp"
#include "ailab/random.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// What a sample is asked for with.
struct SampleContext {
    uint64_t seed = 0;
    int64_t epoch = 0;
    bool train = false;
    /// The occurrence number of this sample in this epoch, from 0, where the sampler gives it
    /// several times.
    int64_t repeat = 0;
    /// `on_error: skip`: what is damaged is used as far as it goes, after report_damage().
    bool tolerant = false;
    /// Of the data sets that others are made of, each draws from a stream of its own; 0 is that of
    /// the transforms of the configuration's data set.
    uint64_t stream = 0;
    /// Augmentation draws from this: the same (seed, epoch, index, repeat) gives the same numbers
    /// for any worker count, world size and after a resume. What a data set draws is independent of
    /// what the transforms listed for it do.
    Philox random(int64_t index) const {
        return Philox(seed ^ stream, uint64_t(epoch) | uint64_t(repeat) << 40, uint64_t(index));
    }
    /// What a data set asks those with that it is made of, `number` being which of them.
    SampleContext inside(uint64_t number = 0) const {
        SampleContext inner = *this;
        // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
        uint64_t x = stream + (number + 1) * 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        inner.stream = x ^ (x >> 31);
        return inner;
    }
};

/// How an image file becomes the input of a sample.
struct ImageInput {
    /// The field that the image is put in.
    std::string field = "input";
    ImageReader::Options reader;
    /// What it goes through before the `transforms` of the dataset: a list of modules.
    Node transforms = Node::list();
};

/// A data set: samples by number. Constructed once a rank, with its options; everything that can be
/// checked without reading samples is checked there. All const functions are called from several
/// threads at once. Files that it keeps open, mapped or knows places in are MappedFiles or
/// WatchedFiles (watched_file.hpp).
class AILAB_API Dataset {
  public:
    virtual ~Dataset();

    virtual int64_t size() const = 0;

    /// Sample `index` of 0 … size()-1. May throw: BrokenSample when this one cannot be used; any
    /// other error ends the run and is reported with rank, step and index.
    virtual Sample get(int64_t index, const SampleContext& context) const;

    /// The names of a sample's fields, for checking bindings before the run; empty when unknown. By
    /// default those of field_specs(), or {"input", "target"}.
    virtual std::vector<std::string> fields() const;
    /// What is known of the fields of a sample as get() gives it: how they lie in a batch, and
    /// which of them lie on an image and move with it. Each sample has all that are listed here and
    /// is checked against it; of fields that are not listed nothing is known. Always the same.
    virtual FieldSpecs field_specs() const { return {}; }

    /// What its samples go through when the configuration has no `transforms` for it: a list of
    /// modules, as it would stand there.
    virtual Node default_transforms() const { return Node::list(); }

    /// How samples form a batch: by default as field_specs() says.
    virtual Batch collate(const std::vector<Sample>& samples) const { return stack(samples); }

    /// Whether get_batch() is offered: a whole batch at once, in place of get() and collate().
    virtual bool has_batches() const { return false; }
    /// Fills `batch.fields` for `indices`. `batch` may hold the tensors of an earlier batch: reuse
    /// them with ensure() below. ids and sizes are filled by the caller.
    virtual void get_batch(std::span<const int64_t> indices, const SampleContext& context,
                           Batch& batch) const;

    /// Number of classes, if this is a classification set: checked against class weights.
    virtual std::optional<int64_t> num_classes() const { return std::nullopt; }
    /// Their names in order, if known.
    virtual std::vector<std::string> class_names() const { return {}; }
    /// The class of each sample, if known without reading samples: class-balanced sampling asks.
    virtual std::vector<int64_t> labels() const { return {}; }
    /// Where the label of a sample is written, for messages: "train.csv:12", or a file. By default
    /// what the sample is known by.
    virtual std::string label_place(int64_t index) const { return sample_name(index); }
    /// The length (the size of the first dimension) of `field` in each sample, if known without
    /// reading samples: LengthGroupedSampler asks.
    virtual std::vector<int64_t> lengths(const std::string& /*field*/) const { return {}; }
    /// Numbers the classes by their places in `names`, which has all of class_names() and may have
    /// more: so a set that has only a part of the classes is numbered as the training data. Called
    /// before samples are asked for, if at all. False: the numbers stay as they are.
    virtual bool number_classes_as(const std::vector<std::string>& /*names*/) { return false; }

    /// How image files that are none of its samples become like them, for `ailab-run infer` and
    /// what is exported; nothing where samples are no images.
    virtual std::optional<ImageInput> image_input() const { return std::nullopt; }

    /// What the sample is known by (its file), or "".
    virtual std::string sample_name(int64_t index) const;
    /// All numbers 0 … size()-1 in the order of a shuffled epoch. Override it where a random order
    /// is slow to read, as from tar files.
    virtual std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const;

    /// What must be alike on all ranks, which compare it before the first step: the number of
    /// samples, the classes, labels() and the sample_name()s, these without the folder that all of
    /// them are in. Override it to add to that (the sizes of files), where names are slow to make,
    /// or where they differ between ranks on purpose.
    virtual DataDigest digest() const;

  protected:
    /// The same without the names of the samples.
    DataDigest digest_without_names() const;
};

/// The names of the fields of a batch of `dataset`, with the lengths and offsets that its
/// field_specs() add; empty when unknown.
AILAB_API std::vector<std::string> batch_fields(const Dataset& dataset);

/// The transforms of `dataset`: those that its configuration names, else its default ones.
AILAB_API std::vector<std::shared_ptr<const Transform>> make_transforms(const Dataset& dataset,
                                                                        const ModuleConfig& config);

/// The same as a configuration has them.
AILAB_API Node write_transforms(const Dataset& dataset, const ModuleConfig& config);

/// The dataset of an option, with the transforms that its configuration lists applied in get(). For
/// datasets made of others: these ask it with context.inside(), and have its default_transforms()
/// as their own, so that those are applied once, or replaced by a list.
AILAB_API std::shared_ptr<const Dataset> make_dataset(const ModuleSpec<Dataset>& spec);

/// The tensor of field `name` if it has this shape and dtype and nobody else holds it; else a new
/// one, put there. A batch of images should be asked for with `channels_last` (shape NCHW; for one
/// channel the strides are {HW, 1, W, 1}, which oneDNN needs).
AILAB_API Tensor& ensure(Batch& batch, const std::string& name, at::IntArrayRef shape,
                         at::ScalarType dtype, bool channels_last = false);

template <class T>
constexpr bool offers_in_vain(const Dataset*) {
    return AILAB_OVERRIDES_(T, Dataset, has_batches) && !AILAB_OVERRIDES_(T, Dataset, get_batch);
}

}  // namespace ailab
