// Samples in tar archives, as WebDataset names them: the files 0017.jpg and 0017.cls are one
// sample.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "ailab/ailab.hpp"
#include "ailab/datasets/task.hpp"
#include "ailab/datasets/written_labels.hpp"
#include "brace_pattern.hpp"
#include "label_names.hpp"
#include "tar_index.hpp"

namespace ailab {
namespace {

struct TarShardsOptions {
    std::vector<std::string> shards;
    std::vector<std::string> image_keys{"jpg", "jpeg", "png", "webp", "bmp"};
    std::string label_key = "cls";
    std::vector<std::string> classes;
    std::optional<int64_t> num_classes;
    int64_t shuffle_buffer = 10000;
    ImageReader::Options image;

    void visit(OptionVisitor& v) {
        v.required("shards", shards,
                   "tar files; * and ? stand for any, {0000..0099} and {a,b} for each");
        v.option("image_keys", image_keys,
                 "what a sample's image may end in, the first one counts");
        v.option("label_key", label_key, "what the file of its label ends in: a number or a name");
        v.option("classes", classes, "names of the classes in the order of their numbers");
        v.option("num_classes", num_classes, "checked against the labels", at_least(1));
        v.option("shuffle_buffer", shuffle_buffer,
                 "an epoch goes through the shards in a new order and mixes so many samples",
                 at_least(1));
        image.visit(v);
    }
};

/// A shard, mapped: ranks of a host share its memory.
class Shard {
  public:
    explicit Shard(const std::string& path) : path_(path) {
        const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat status {};
        const bool good = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
        const int code = errno;
        if (good && status.st_size > 0)
            data_ = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        if (!good || data_ == MAP_FAILED)
            throw ConfigError(concat("shard ", path, " cannot be read: ",
                                     file < 0 ? std::strerror(code) : "it is no regular file"));
        size_ = size_t(status.st_size);
    }
    ~Shard() {
        if (data_) munmap(data_, size_);
    }
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    const std::string& path() const { return path_; }
    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  private:
    const std::string path_;
    void* data_ = nullptr;
    size_t size_ = 0;
};

/// The name up to the first dot of its last part, and what follows it.
std::pair<std::string_view, std::string_view> split_name(std::string_view name) {
    const size_t folder = name.rfind('/');
    const size_t dot = name.find('.', folder == std::string_view::npos ? 0 : folder + 1);
    if (dot == std::string_view::npos) return {name, ""};
    return {name.substr(0, dot), name.substr(dot + 1)};
}

class TarShards final : public Dataset, public WrittenLabels {
  public:
    using Options = TarShardsOptions;

    explicit TarShards(const Options& options)
        : options_(options), names_(options.classes), reader_(options.image) {
        for (const std::string& pattern : options.shards)
            for (const std::string& path : expand_pattern(pattern))
                shards_.push_back(std::make_unique<Shard>(path));
        index_samples();
        read_labels();
    }

    int64_t size() const override { return int64_t(samples_.size()); }
    std::vector<std::string> fields() const override { return Classification::fields(); }
    std::optional<int64_t> num_classes() const override { return names_.num_classes(); }
    std::vector<std::string> class_names() const override { return names_.names(); }
    std::optional<ImageInput> image_input() const override {
        return ImageInput{.reader = options_.image};
    }
    std::vector<int64_t> labels() const override { return labels_; }
    std::string label_place(int64_t index) const override { return sample_name(index); }
    bool number_classes_as(const std::vector<std::string>& names) override {
        const auto numbers = names_.number_as(names);
        if (!numbers) return false;
        for (int64_t& label : labels_) label = numbers->at(size_t(label));
        return true;
    }
    std::string sample_name(int64_t index) const override {
        const Indexed& sample = samples_.at(size_t(index));
        return concat(shards_[sample.shard]->path(), "/", sample.name);
    }

    /// The shards in a new order, their samples mixed within a buffer: reading goes forward.
    std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const override {
        constexpr uint64_t own_stream = uint64_t(1) << 63;
        Philox random(seed, uint64_t(epoch), own_stream);
        std::vector<int64_t> order, buffer;
        order.reserve(samples_.size());
        const auto capacity = static_cast<size_t>(options_.shuffle_buffer);
        for (const int64_t shard : permutation(int64_t(shards_.size()), seed, uint64_t(epoch))) {
            for (int64_t i = begins_[size_t(shard)]; i < begins_[size_t(shard) + 1]; ++i) {
                buffer.push_back(i);
                if (buffer.size() > capacity) order.push_back(draw(buffer, random));
            }
        }
        while (!buffer.empty()) order.push_back(draw(buffer, random));
        return order;
    }

    Sample get(int64_t index, const SampleContext& context) const override {
        const Indexed& sample = samples_.at(size_t(index));
        return Classification{.input = reader_.open(image_of_sample(index, sample), context),
                              .label = labels_.at(size_t(index))}
            .sample();
    }

  private:
    struct Indexed {
        uint32_t shard = 0;
        uint64_t begin = 0, size = 0;  // of the image
        uint64_t label_begin = 0, label_size = 0;
        std::string name;
    };

    static int64_t draw(std::vector<int64_t>& buffer, Philox& random) {
        std::swap(buffer[random.below(buffer.size())], buffer.back());
        const int64_t drawn = buffer.back();
        buffer.pop_back();
        return drawn;
    }

    EncodedImage image_of_sample(int64_t index, const Indexed& sample) const {
        const StageTimer timer(LoadStage::read);
        const std::string_view bytes =
            shards_[sample.shard]->bytes().substr(sample.begin, sample.size);
        // Copied, so that waiting for the disk counts as reading.
        auto copy = std::make_shared<std::string>(bytes);
        return {{reinterpret_cast<const uint8_t*>(copy->data()), copy->size()},
                copy,
                sample_name(index)};
    }

    void index_samples() {
        for (size_t i = 0; i < shards_.size(); ++i) {
            begins_.push_back(int64_t(samples_.size()));
            index_shard(uint32_t(i));
        }
        begins_.push_back(int64_t(samples_.size()));
    }

    /// Files of one sample stand one after another.
    void index_shard(uint32_t number) {
        const Shard& shard = *shards_[number];
        const std::vector<TarMember> members = read_tar_index(shard.bytes(), shard.path());
        for (size_t i = 0; i < members.size();) {
            const std::string key(split_name(members[i].name).first);
            Indexed sample;
            sample.shard = number;
            size_t best = options_.image_keys.size();
            bool labelled = false;
            for (; i < members.size() && split_name(members[i].name).first == key; ++i) {
                const std::string_view ending = split_name(members[i].name).second;
                const auto place =
                    std::find(options_.image_keys.begin(), options_.image_keys.end(), ending);
                const auto rank = size_t(place - options_.image_keys.begin());
                if (rank < best) {
                    best = rank;
                    sample.begin = members[i].begin;
                    sample.size = members[i].size;
                    sample.name = members[i].name;
                } else if (ending == options_.label_key) {
                    labelled = true;
                    sample.label_begin = members[i].begin;
                    sample.label_size = members[i].size;
                }
            }
            if (best == options_.image_keys.size() || !labelled)
                throw Error(concat(shard.path(), ": sample ", key, " has no ",
                                   labelled ? "image (" + join(options_.image_keys) + ")"
                                            : "label (" + options_.label_key + ")",
                                   ". The files of a sample must follow one another"));
            samples_.push_back(std::move(sample));
        }
    }

    Record label_record(const Indexed& sample) const {
        const Shard& shard = *shards_[sample.shard];
        const std::string text(shard.bytes().substr(sample.label_begin, sample.label_size));
        const std::string place = concat(shard.path(), "/", sample.name);
        Node values = Node::map({}, {std::make_shared<const std::string>(place), 0, 0});
        values.set(options_.label_key, Node::string(text));
        return Record(std::move(values));
    }

    void read_labels() {
        constexpr size_t most = 10;
        Problems problems;
        std::vector<int32_t> learned;
        for (size_t i = 0; i < samples_.size() && problems.size() < most; ++i) {
            try {
                learned.push_back(names_.learn(label_record(samples_[i]), options_.label_key));
            } catch (const BrokenSample& error) {
                problems.add(error.problem().place, error.problem().text);
            }
        }
        problems.check();
        names_.end_learning(options_.num_classes);
        labels_.reserve(learned.size());
        for (const int32_t id : learned) labels_.push_back(names_.label(id));
    }

    const Options options_;
    std::vector<std::unique_ptr<const Shard>> shards_;
    std::vector<Indexed> samples_;
    std::vector<int64_t> begins_;  // the first sample of each shard, and the end
    LabelNames names_;
    std::vector<int64_t> labels_;
    const ImageReader reader_;
};

}  // namespace

AILAB_REGISTER_DATASET(TarShards, "Images and labels in tar archives, named as WebDataset does")

}  // namespace ailab
