// Several datasets one after another.
#include <algorithm>

#include "ailab/ailab.hpp"
#include "own_order.hpp"

namespace ailab {
namespace {

class Concat final : public Dataset {
  public:
    struct Options {
        std::vector<ModuleSpec<Dataset>> datasets;
        void visit(OptionVisitor& v) {
            v.required("datasets", datasets, "whose samples follow one another");
            v.rule([this] { return datasets.empty() ? "datasets is empty" : ""; });
        }
    };

    explicit Concat(const Options& options) {
        for (const ModuleSpec<Dataset>& spec : options.datasets) {
            parts_.push_back(make_dataset(spec));
            ends_.push_back((ends_.empty() ? 0 : ends_.back()) + parts_.back()->size());
        }
        for (const auto& part : parts_)
            if (part->fields() != parts_[0]->fields())
                throw ConfigError(concat("the datasets have different fields: ",
                                         join(parts_[0]->fields()), " and ", join(part->fields())));
        for (const auto& part : parts_) {
            const FieldSpecs first = parts_[0]->field_specs(), specs = part->field_specs();
            if (specs == first) continue;
            throw ConfigError(concat("the datasets declare their fields differently (",
                                     unlike_field(first, specs), ")"));
        }
        for (const auto& part : parts_) add_class_names(part->class_names());
        for (const auto& part : parts_)
            if (!class_names_.empty() && part->class_names().empty() && !part->labels().empty())
                throw ConfigError(concat("the classes of one of the datasets have names (0 is \"",
                                         class_names_[0],
                                         "\"), and those of another are numbers; give all the same "
                                         "classes"));
        check_labels();
    }

    int64_t size() const override { return ends_.back(); }
    Sample get(int64_t index, const SampleContext& context) const override {
        const Place at = place_of(index);
        return at.part.get(at.index, context.inside(at.number));
    }
    std::vector<std::string> fields() const override { return parts_[0]->fields(); }
    FieldSpecs field_specs() const override { return parts_[0]->field_specs(); }
    Batch collate(const std::vector<Sample>& samples) const override {
        return parts_[0]->collate(samples);
    }
    std::string sample_name(int64_t index) const override {
        const Place at = place_of(index);
        return at.part.sample_name(at.index);
    }
    std::string label_place(int64_t index) const override {
        const Place at = place_of(index);
        return at.part.label_place(at.index);
    }
    std::optional<int64_t> num_classes() const override {
        std::optional<int64_t> most;
        for (const auto& part : parts_) {
            if (!part->num_classes()) return std::nullopt;
            most = std::max(most.value_or(0), *part->num_classes());
        }
        return most;
    }
    std::vector<std::string> class_names() const override { return class_names_; }
    std::optional<ImageInput> image_input() const override { return parts_[0]->image_input(); }
    Node default_transforms() const override {
        Node list = parts_[0]->default_transforms();
        for (const auto& part : parts_)
            if (const Node other = part->default_transforms(); other.flow() != list.flow())
                throw ConfigError(concat(
                    "what the samples of the datasets go through by default differs: ", list.flow(),
                    " and ", other.flow(), ". Give transforms, here or to each of the datasets"));
        return list;
    }
    std::vector<int64_t> labels() const override {
        return of_all([](const Dataset& part) { return part.labels(); });
    }
    std::vector<int64_t> lengths(const std::string& field) const override {
        return of_all([&](const Dataset& part) { return part.lengths(field); });
    }

    /// Where one of the datasets has an order of its own, each keeps its order, and they are mixed.
    std::vector<int64_t> shuffled(uint64_t seed, int64_t epoch) const override {
        const bool any = std::any_of(parts_.begin(), parts_.end(), [&](const auto& part) {
            return own_order(*part, seed, epoch).has_value();
        });
        if (!any) return Dataset::shuffled(seed, epoch);
        constexpr uint64_t own_stream = uint64_t(1) << 62;
        Philox random(seed, uint64_t(epoch), own_stream);
        std::vector<std::vector<int64_t>> orders;
        for (const auto& part : parts_) orders.push_back(part->shuffled(seed, epoch));
        // Which dataset comes next: as often as it has samples, at random.
        std::vector<size_t> turns;
        for (size_t i = 0; i < parts_.size(); ++i) turns.insert(turns.end(), orders[i].size(), i);
        for (size_t i = turns.size(); i > 1; --i) std::swap(turns[i - 1], turns[random.below(i)]);
        std::vector<size_t> next(parts_.size());
        std::vector<int64_t> all;
        all.reserve(turns.size());
        for (const size_t part : turns)
            all.push_back(orders[part][next[part]++] + (part == 0 ? 0 : ends_[part - 1]));
        return all;
    }

    DataDigest digest() const override {
        DataDigest digest;
        for (size_t i = 0; i < parts_.size(); ++i)
            for (const auto& [fact, value] : parts_[i]->digest())
                digest[concat("datasets[", i, "], ", fact)] = value;
        return digest;
    }

  private:
    /// What each part says of its samples; nothing when one of them does not.
    template <class Ask>
    std::vector<int64_t> of_all(const Ask& ask) const {
        std::vector<int64_t> all;
        for (const auto& part : parts_) {
            const std::vector<int64_t> values = ask(*part);
            if (int64_t(values.size()) != part->size()) return {};
            all.insert(all.end(), values.begin(), values.end());
        }
        return all;
    }

    /// The name of the first field of which two data sets say different things.
    static std::string unlike_field(const FieldSpecs& one, const FieldSpecs& other) {
        for (size_t i = 0; i < std::min(one.size(), other.size()); ++i)
            if (!(one[i] == other[i])) return one[i].name;
        return (one.size() > other.size() ? one : other)[std::min(one.size(), other.size())].name;
    }

    /// Some of the datasets may have fewer, or no names.
    void add_class_names(const std::vector<std::string>& names) {
        for (size_t i = 0; i < std::min(names.size(), class_names_.size()); ++i)
            if (names[i] != class_names_[i])
                throw ConfigError(concat("class ", i, " is \"", class_names_[i],
                                         "\" in one of the datasets and \"", names[i],
                                         "\" in another; give all the same classes"));
        if (names.size() > class_names_.size()) class_names_ = names;
    }

    /// What is no class of its own set must not become one of the whole. The run sees the whole.
    void check_labels() const {
        const std::optional<int64_t> all = num_classes();
        if (!all) return;
        for (size_t i = 0; i < parts_.size(); ++i) {
            const int64_t own = *parts_[i]->num_classes();
            if (own == *all) continue;
            const std::vector<int64_t> labels = parts_[i]->labels();
            const auto wrong = std::find_if(labels.begin(), labels.end(), [&](int64_t label) {
                return label >= own && label < *all;
            });
            if (wrong == labels.end()) continue;
            throw ConfigError(concat(parts_[i]->label_place(wrong - labels.begin()), ": label ",
                                     *wrong, " is outside of the classes 0 … ", own - 1,
                                     " of datasets[", i, "], and the datasets together have ", *all,
                                     "; give all the same num_classes"));
        }
    }

    struct Place {
        const Dataset& part;
        uint64_t number;  // of the part
        int64_t index;
    };
    Place place_of(int64_t index) const {
        const auto end = std::upper_bound(ends_.begin(), ends_.end(), index);
        const auto part = size_t(end - ends_.begin());
        return {*parts_.at(part), part, index - (part == 0 ? 0 : ends_[part - 1])};
    }

    std::vector<std::shared_ptr<const Dataset>> parts_;
    std::vector<int64_t> ends_;
    std::vector<std::string> class_names_;
};

}  // namespace

AILAB_REGISTER_DATASET(Concat, "Several datasets one after another")

}  // namespace ailab
