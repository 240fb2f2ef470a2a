// Samples in tar archives, as WebDataset names them: the files 0017.jpg and 0017.cls are one
// sample.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "ailab/ailab.hpp"
#include "ailab/datasets/task.hpp"
#include "brace_pattern.hpp"
#include "label_names.hpp"
#include "options/limits.hpp"
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
                 "what a sample's image may end in, in any case; the first one counts");
        v.option("label_key", label_key, "what the file of its label ends in: a number or a name");
        v.option("classes", classes, "names of the classes in the order of their numbers");
        v.option("num_classes", num_classes, "checked against the labels", size_from(1));
        v.option("shuffle_buffer", shuffle_buffer,
                 "an epoch goes through the shards in a new order and mixes so many samples",
                 samples_from(1));
        image.visit(v);
        v.rule([this]() -> std::string {
            if (shards.empty()) return "shards is empty: there would be no samples";
            return image_keys.empty() ? "image_keys is empty: no file would be an image" : "";
        });
    }
};

std::string in_lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) c = char(std::tolower(uint8_t(c)));
    return lower;
}

/// A shard, mapped: ranks of a host share its memory.
class Shard {
  public:
    explicit Shard(const std::string& path) : file_(path) {}

    const std::string& path() const { return file_.path(); }
    uint64_t size() const { return file_.text().size(); }

    TarIndex index() {
        TarIndex index = read_tar_index(file_.text(), path());
        for (TarMember& member : index.members)
            if (!member.pieces.empty())
                sparse_.insert_or_assign(member.begin, std::move(member.pieces));
        file_.check();
        return index;
    }
    /// Bytes of a member, copied.
    std::string read(uint64_t begin, uint64_t size) const {
        const auto sparse = sparse_.find(begin);
        if (sparse == sparse_.end()) return std::string(file_.text().substr(begin, size));
        check_sparse(begin, size, sparse->second);
        std::string bytes(size, '\0');
        for (const TarPiece& piece : sparse->second)
            file_.text().copy(bytes.data() + piece.offset, piece.size, piece.begin);
        return bytes;
    }

  private:
    /// What a few bytes may claim to be is bounded: as much as they could be packed in by gzip.
    void check_sparse(uint64_t begin, uint64_t size, const std::vector<TarPiece>& pieces) const {
        constexpr uint64_t always = 64 << 20, times = 1000;
        uint64_t stored = 0;
        for (const TarPiece& piece : pieces) stored += piece.size;
        if (size > always + times * stored)
            throw BrokenSample(concat(path(), ": the sparse file at byte ", begin, " is to have ",
                                      size, " bytes, of which ", stored,
                                      " are there. Write the archive again, without --sparse"));
    }

    const MappedFile file_;
    std::map<uint64_t, std::vector<TarPiece>> sparse_;  // of few members, by their begin
};

/// Key and ending of a file of a sample: what stands before and behind the first dot of the name's
/// last part.
struct MemberName {
    std::string_view key;
    std::string ending;  // in lower case
};

/// Nothing for files that are of no sample: hidden ones, those without an ending (README), and what
/// macOS (`__MACOSX/…`) and webdataset (`__meta__/…`) put beside.
std::optional<MemberName> split_name(std::string_view name) {
    const size_t folder = name.rfind('/');
    const size_t last = folder == std::string_view::npos ? 0 : folder + 1;
    const size_t dot = name.find('.', last);
    if (dot == std::string_view::npos || dot == last) return std::nullopt;
    for (size_t begin = 0; begin < last;) {
        const size_t end = name.find('/', begin);
        const std::string_view part = name.substr(begin, end - begin);
        const bool is_meta =
            begin == 0 && part.size() >= 4 && part.starts_with("__") && part.ends_with("__");
        if (part == "__MACOSX" || is_meta) return std::nullopt;
        begin = end + 1;
    }
    return MemberName{name.substr(0, dot), in_lower_case(name.substr(dot + 1))};
}

/// Of a shard that was cut between two files the last sample may have lost some (its .json): what
/// all other samples have.
class LastSamples {
  public:
    /// The next sample of the present shard, with the endings of its files.
    void add(const std::string& key, std::set<std::string> endings) {
        if (sample_) note_whole(sample_->endings);
        sample_ = {"", true, key, std::move(endings)};
    }
    void end_shard(const std::string& shard, bool has_end) {
        if (!sample_) return;
        sample_->shard = shard;
        sample_->has_end = has_end;
        last_.push_back(std::move(*std::exchange(sample_, {})));
    }
    /// Throws Error that names shard and sample.
    void check() const {
        for (const Sample& sample : last_) {
            // Of two samples one may well have a file more.
            if (whole_ < (sample.has_end ? 2 : 1)) continue;
            for (const std::string& ending : common_)
                if (!sample.endings.contains(ending))
                    throw Error(concat(
                        sample.shard, ": its last sample, ", sample.key, ", has no .", ending,
                        ", which all others have: the shard ", sample.has_end ? "ends" : "was cut",
                        " in the middle of a sample. Write it again, or without that "
                        "sample"));
        }
    }

  private:
    struct Sample {
        std::string shard;
        bool has_end;
        std::string key;
        std::set<std::string> endings;
    };

    /// One that is not the last of its shard.
    void note_whole(const std::set<std::string>& endings) {
        if (whole_++ == 0)
            common_ = endings;
        else if (!common_.empty())
            std::erase_if(common_, [&](const auto& ending) { return !endings.contains(ending); });
    }

    std::optional<Sample> sample_;  // the newest of the present shard
    std::vector<Sample> last_;      // of each shard
    std::set<std::string> common_;  // endings of all that are whole
    int64_t whole_ = 0;
};

class TarShards final : public Dataset {
  public:
    using Options = TarShardsOptions;

    explicit TarShards(const Options& options)
        : options_(options),
          image_keys_(options.image_keys),
          label_key_(in_lower_case(options.label_key)),
          names_(options.classes),
          reader_(options.image) {
        for (const std::string& pattern : options.shards)
            for (const std::string& path : expand_pattern(pattern))
                shards_.push_back(std::make_unique<Shard>(path));
        for (std::string& key : image_keys_) key = in_lower_case(key);
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
        for (int64_t& label : labels_) label = renumbered(label, *numbers);
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

    DataDigest digest() const override {
        DataDigest digest = digest_without_names();
        Digest names, shards;
        for (const Indexed& sample : samples_) names.add(sample.name);
        for (const auto& shard : shards_)
            shards.add(std::filesystem::path(shard->path()).filename().string())
                .add(int64_t(shard->size()));
        digest["sample names"] = names.str();
        digest["sizes of shards"] = concat(shards_.size(), " shards, ", shards.str());
        return digest;
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
        // Copied, so that waiting for the disk counts as reading.
        auto copy =
            std::make_shared<std::string>(shards_[sample.shard]->read(sample.begin, sample.size));
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
        last_samples_.check();
        warn_of(endless_,
                "no end: it may have been cut between two files, and of its samples those "
                "that follow are missing; write it again, or compare it with its source");
        warn_of(joined_,
                "another archive, or something else, behind its end, which is not read: "
                "give each archive a file of its own");
        if (left_out_ == 0) return;
        if (samples_.empty())
            throw Error(concat(shards_[0]->path(), " holds no sample: no file in it ends in ",
                               join(image_keys_), " or ", label_key_, " (", left_out_example_,
                               " does not). image_keys and label_key say what they end in"));
        log_info(shards_[0]->path(), shards_.size() > 1 ? " and the other shards: " : ": ",
                 left_out_, left_out_ == 1 ? " file that is" : " files that are",
                 " of no sample left out (", left_out_example_, ")");
    }

    /// A sample that is being put together.
    struct Gathered {
        Indexed sample;
        std::string key;
        std::vector<std::string> endings;
        std::string example;  // one of its files
        size_t image_rank = 0;
        bool labelled = false;
    };

    /// Shards that have the same, of which the first is named.
    struct Some {
        int64_t count = 0;
        std::string first;
        void add(const Shard& shard) {
            if (count++ == 0) first = shard.path();
        }
    };
    static void warn_of(const Some& shards, const char* what) {
        if (shards.count == 0) return;
        const std::string others =
            shards.count == 1 ? "" : concat(" (and ", shards.count - 1, " more shards)");
        log_warning(shards.first, others, " has ", what);
    }

    /// Files of one sample stand one after another, as webdataset wants them.
    void index_shard(uint32_t number) {
        Shard& shard = *shards_[number];
        Gathered gathered;
        TarIndex index = shard.index();
        if (!index.has_end && !index.members.empty()) endless_.add(shard);
        if (index.goes_on) joined_.add(shard);
        for (TarMember& member : index.members) {
            const auto name = split_name(member.name);
            if (!name) {
                leave_out(member.name, 1);
                continue;
            }
            if (gathered.endings.empty() || gathered.key != name->key) {
                finish(shard, gathered);
                gathered = {};
                gathered.sample.shard = number;
                gathered.key = name->key;
                gathered.example = member.name;
                gathered.image_rank = image_keys_.size();
            }
            add(shard, *name, member, gathered);
        }
        finish(shard, gathered);
        last_samples_.end_shard(shard.path(), index.has_end);
    }

    void add(const Shard& shard, const MemberName& name, TarMember& member, Gathered& gathered) {
        std::vector<std::string>& endings = gathered.endings;
        if (std::find(endings.begin(), endings.end(), name.ending) != endings.end())
            throw Error(concat(shard.path(), ": sample ", gathered.key,
                               " comes twice in a row: it "
                               "has a second file ",
                               member.name,
                               ". Give each sample a key of its own, or write the archive anew "
                               "without the second one"));
        endings.push_back(name.ending);
        const auto place = std::find(image_keys_.begin(), image_keys_.end(), name.ending);
        const auto rank = size_t(place - image_keys_.begin());
        Indexed& sample = gathered.sample;
        if (rank < gathered.image_rank) {
            gathered.image_rank = rank;
            sample.begin = member.begin;
            sample.size = member.size;
            sample.name = std::move(member.name);
        } else if (name.ending == label_key_) {
            gathered.labelled = true;
            sample.label_begin = member.begin;
            sample.label_size = member.size;
        }
    }

    /// Files of which none is an image or a label (README.md, __meta__.json) are left out.
    void finish(const Shard& shard, Gathered& gathered) {
        const bool has_image = gathered.image_rank < image_keys_.size();
        if (gathered.endings.empty()) return;
        if (!has_image && !gathered.labelled)
            return leave_out(gathered.example, int64_t(gathered.endings.size()));
        if (!has_image || !gathered.labelled)
            throw Error(concat(shard.path(), ": sample ", gathered.key, " has no ",
                               gathered.labelled ? "image (" + join(image_keys_) + ")"
                                                 : "label (" + label_key_ + ")",
                               ". The files of a sample must follow one another"));
        last_samples_.add(gathered.key, others_of(gathered));
        samples_.push_back(std::move(gathered.sample));
    }

    /// What the files of a sample end in, beside image and label.
    std::set<std::string> others_of(const Gathered& gathered) const {
        std::set<std::string> others(gathered.endings.begin(), gathered.endings.end());
        others.erase(label_key_);
        for (const std::string& key : image_keys_) others.erase(key);
        return others;
    }

    void leave_out(const std::string& name, int64_t files) {
        if (left_out_ == 0) left_out_example_ = name;
        left_out_ += files;
    }

    Record label_record(const Indexed& sample) const {
        const Shard& shard = *shards_[sample.shard];
        const std::string text = shard.read(sample.label_begin, sample.label_size);
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
    std::vector<std::string> image_keys_;  // in lower case
    const std::string label_key_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::vector<Indexed> samples_;
    std::vector<int64_t> begins_;  // the first sample of each shard, and the end
    int64_t left_out_ = 0;         // files
    std::string left_out_example_;
    Some endless_, joined_;
    LastSamples last_samples_;
    LabelNames names_;
    std::vector<int64_t> labels_;
    const ImageReader reader_;
};

}  // namespace

AILAB_REGISTER_DATASET(TarShards, "Images and labels in tar archives, named as WebDataset does")

}  // namespace ailab
