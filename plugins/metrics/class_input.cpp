#include "class_input.hpp"

#include <cmath>

namespace ailab {
namespace {

constexpr const char* as_classes = "as_classes_";
constexpr const char* as_labels = "as_labels_";
// Of labels: outputs compared as they are, and as logits; and how many are no probabilities.
constexpr const char* as_outputs = "as_outputs_";
constexpr const char* as_logits = "as_logits_";
constexpr const char* out_of_range = "out_of_range";

bool is_integer(const Tensor& tensor) {
    return at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false);
}

class Reader {
  public:
    Reader(const std::string& who, const TaskOptions& options, const ClassUses& uses,
           const Tensor& output, const Tensor& target)
        : who_(who), o_(options), uses_(uses), output_(output), target_(target) {}

    /// The forms in which the batch can be read: one, or classes and labels.
    std::vector<ClassInput> read() {
        if (output_.dim() < 1 || target_.dim() < 1) fail();
        if (o_.classes_last) move_classes();
        drop_channel();
        const bool squeezed = o_.task != "multiclass" && has_class_axis() && output_.size(1) == 1;
        if (squeezed) output_ = output_.squeeze(1);
        const bool binary = squeezed || output_.dim() == 1;
        if (o_.task == "labels" && same_shape() && !is_integer(output_) &&
            (binary || uses_.several_labels))
            return {labels(binary)};
        if (finds_task() && may_be_probabilities() && uses_.several_labels) {
            std::vector<ClassInput> both = {classes(), labels(/*binary=*/false)};
            both[0].prefix = as_classes;
            both[1].prefix = as_labels;
            return both;
        }
        const std::string task = finds_task() ? guess(squeezed) : o_.task;
        if (task == "multiclass") return {classes()};
        return {labels(task == "binary")};
    }

  private:
    [[noreturn]] void fail() const {
        throw Error(concat(
            who_, " (task: ", o_.task,
            "): expected output [N, classes, …] and target [N, …] of class numbers, or output and "
            "target of one shape (numbers of classes, or scores and 0 or 1, or scores and "
            "probabilities of the classes); got ",
            describe(output_, target_), seems_last()));
    }
    const char* seems_last() const {
        const bool last = !o_.classes_last && output_.dim() > 2 &&
                          output_.dim() == target_.dim() + 1 &&
                          output_.sizes().slice(0, size_t(target_.dim())) == target_.sizes();
        return last ? ". If the classes come last, set classes_last: true" : "";
    }

    bool finds_task() const { return o_.task == "auto" || o_.task == "labels"; }

    void move_classes() {
        const bool same_dims = target_.dim() == output_.dim();
        if (output_.dim() > 2) output_ = output_.movedim(-1, 1);
        if (same_dims && target_.dim() > 2) target_ = target_.movedim(-1, 1);
    }
    /// [N, 1, …] of numbers, as an image of mode `unchanged` has them.
    void drop_channel() {
        if (target_.dim() < 2 || target_.size(1) != 1) return;
        const Tensor dropped = target_.squeeze(1);
        const bool beside_scores = is_integer(target_) && output_.dim() == target_.dim() &&
                                   output_.size(1) > 1 && output_.size(0) == target_.size(0) &&
                                   output_.sizes().slice(2) == target_.sizes().slice(2);
        if (beside_scores || dropped.sizes() == output_.sizes()) target_ = dropped;
    }
    bool may_be_probabilities() const {
        return same_shape() && target_.dim() > 1 && target_.size(1) > 1 &&
               target_.is_floating_point() && output_.is_floating_point();
    }

    bool same_shape() const { return output_.sizes() == target_.sizes(); }
    bool has_class_axis() const {
        return output_.dim() == target_.dim() + 1 && output_.size(0) == target_.size(0) &&
               output_.sizes().slice(2) == target_.sizes().slice(1);
    }

    std::string guess(bool squeezed) const {
        if (squeezed) return "binary";
        if (has_class_axis() || is_integer(output_) || may_be_probabilities()) return "multiclass";
        return output_.dim() == 1 || output_.size(1) == 1 ? "binary" : "multilabel";
    }

    ClassInput classes() const {
        const bool soft = may_be_probabilities();
        const bool scores = soft || has_class_axis();
        const bool numbers =
            is_integer(target_) && (scores || (same_shape() && is_integer(output_)));
        if (!numbers && !soft) fail();
        ClassInput input;
        input.classes = scores ? output_.size(1) : o_.num_classes.value_or(0);
        if (input.classes == 0 && (scores || !uses_.uncounted_classes))
            throw Error(concat(who_,
                               ": needs num_classes where the output holds class numbers; "
                               "got ",
                               describe(output_, target_)));
        if (input.classes != 0) check_count(input.classes, "classes");
        const int64_t n = output_.size(0);
        input.output = scores ? output_.reshape({n, input.classes, -1})
                              : output_.reshape({n, -1}).to(at::kLong);
        if (soft) {
            const Tensor shares = target_.reshape({n, input.classes, -1});
            leave_out(input, shares.argmax(1), are_probabilities(shares));
            return input;
        }
        const Tensor target = target_.reshape({n, -1}).to(at::kLong);
        Tensor fits = is_class(target, input.classes);
        if (!scores) fits = fits.logical_and(is_class(input.output, input.classes));
        leave_out(input, target, fits);
        return input;
    }

    ClassInput labels(bool binary) const {
        if (!same_shape() || (!binary && output_.dim() < 2)) fail();
        ClassInput input;
        input.labels = true;
        input.classes = binary ? 1 : output_.size(1);
        if (!binary) check_count(input.classes, "labels");
        if (input.classes != 1 && !uses_.several_labels)
            throw Error(
                concat(who_, ": takes no multilabel targets; got ", describe(output_, target_)));
        const int64_t n = output_.size(0);
        input.output = output_.reshape({n, input.classes, -1});
        const Tensor target = target_.reshape({n, input.classes, -1});
        leave_out(input, target.to(at::kLong), target.eq(0).logical_or(target.eq(1)));
        return input;
    }

    void check_count(int64_t found, const char* what) const {
        if (o_.num_classes && *o_.num_classes != found)
            throw Error(concat(who_, ": num_classes is ", *o_.num_classes, ", but there are ",
                               found, " ", what, ": ", describe(output_, target_)));
    }

    static Tensor is_class(const Tensor& number, int64_t classes) {
        const Tensor enough = number.ge(0);
        return classes == 0 ? enough : enough.logical_and(number.lt(classes));
    }
    /// [N, C, M] to [N, M]. As exact as half precision adds up.
    static Tensor are_probabilities(const Tensor& shares) {
        constexpr double rounding = 1e-2;
        const Tensor exact = shares.to(at::kDouble);
        return exact.ge(0).all(1).logical_and_(exact.sum(1).sub_(1).abs_().le(rounding));
    }

    void leave_out(ClassInput& input, const Tensor& target, Tensor fits) const {
        Tensor wrong = fits.logical_not();
        if (o_.ignore_index) {
            const Tensor counts = target.ne(*o_.ignore_index);
            wrong = wrong.logical_and(counts);
            fits = fits.logical_and(counts);
        }
        input.invalid = wrong.sum();
        input.target = target.masked_fill(fits.logical_not(), -1);
    }

    const std::string& who_;
    const TaskOptions& o_;
    const ClassUses& uses_;
    Tensor output_;
    Tensor target_;
};

/// [S, bins] counts of `index` [N, M] with values 0 … bins - 1.
Tensor count_rows(const Tensor& index, int64_t bins, bool each_sample) {
    if (!each_sample) return count_numbers(index, bins).unsqueeze(0);
    const int64_t n = index.size(0);
    const Tensor row = at::arange(n, index.options()).unsqueeze(1) * bins;
    return count_numbers(index + row, n * bins).reshape({n, bins});
}

}  // namespace

Tensor predicted_classes(const ClassInput& input) {
    return input.has_scores() ? input.output.argmax(1) : input.output;
}

Tensor count_classes(const ClassInput& input, bool each_sample) {
    const Tensor counts = input.target.ge(0);
    if (input.labels) {
        const Tensor predicted = input.predicted.logical_and(counts);
        const Tensor actual = input.target.eq(1);
        const Tensor all =
            at::stack({predicted.logical_and(actual), predicted, actual}).sum(-1);  // [3, N, L]
        return each_sample ? all : all.sum(1, /*keepdim=*/true);
    }
    // What is left out goes to one more bin.
    const int64_t c = input.classes;
    const Tensor left_out = counts.logical_not();
    const Tensor predicted = predicted_classes(input).masked_fill(left_out, c);
    const Tensor actual = input.target.masked_fill(left_out, c);
    const Tensor hit = actual.masked_fill(predicted.ne(actual), c);
    std::vector<Tensor> all;
    for (const Tensor& index : {hit, predicted, actual})
        all.push_back(count_rows(index, c + 1, each_sample).narrow(1, 0, c));
    return at::stack(all);
}

ClassMetric::ClassMetric(std::string who, ClassUses uses) : who_(std::move(who)), uses_(uses) {
    add_state("invalid", {}, at::kLong);
}

void ClassMetric::take(const TaskOptions& options, const Tensor& output, const Tensor& target) {
    take(options, nullptr, output, target);
}

void ClassMetric::take(const ClassMetricOptions& options, const Tensor& output,
                       const Tensor& target) {
    take(options, &options, output, target);
}

void ClassMetric::take(const TaskOptions& options, const ClassMetricOptions* cut,
                       const Tensor& output, const Tensor& target) {
    const at::NoGradGuard no_grad;
    has_shares_ = has_shares_ || (target.is_floating_point() && target.dim() > 1 &&
                                  target.sizes() == output.sizes());
    for (const ClassInput& input : Reader(who_, options, uses_, output, target).read()) {
        add(input.prefix + "invalid", input.invalid);
        if (cut && input.labels)
            add_labels(*cut, input);
        else
            add_batch(input);
    }
    // Elsewhere looking would wait for the device: the end of the evaluation tells.
    if (target.is_cpu()) (void)form(states());
}

void ClassMetric::add_labels(const ClassMetricOptions& options, ClassInput input) {
    const Tensor& output = input.output;
    // The logit of the threshold, in place of all outputs' sigmoid: exact.
    const auto above_logit = [&] {
        return output.to(at::kDouble).gt(std::log(options.threshold / (1 - options.threshold)));
    };
    const bool known = options.logits != Logits::automatic || !output.is_floating_point();
    if (known) {
        input.predicted =
            options.logits == Logits::yes ? above_logit() : output.gt(options.threshold);
        return add_batch(input);
    }
    // Of several labels every output tells, as with torchmetrics; else those that count.
    Tensor beyond = output.ge(0).logical_and_(output.le(1)).logical_not_();
    if (input.classes == 1) beyond.logical_and_(input.target.ge(0));
    const std::string prefix = input.prefix;
    add(prefix + out_of_range, beyond.sum());
    input.prefix = prefix + as_outputs;
    input.predicted = output.gt(options.threshold);
    add_batch(input);
    input.prefix = prefix + as_logits;
    input.predicted = above_logit();
    add_batch(input);
}

std::string ClassMetric::fitting(const std::map<std::string, Tensor>& states) const {
    const std::string prefix = form(states);
    const auto beyond = states.find(prefix + out_of_range);
    if (beyond == states.end()) return prefix;
    return prefix + (beyond->second.item<int64_t>() == 0 ? as_outputs : as_logits);
}

/// The prefix of classes or labels. Throws Error if there were targets that do not fit.
std::string ClassMetric::form(const std::map<std::string, Tensor>& states) const {
    const auto invalid = [&](const std::string& prefix) {
        const auto state = states.find(prefix + "invalid");
        return state == states.end() ? 0 : state->second.item<int64_t>();
    };
    if (const int64_t number = invalid("")) refuse_targets(number);
    if (!states.contains(std::string(as_classes) + "invalid")) return "";
    const int64_t no_probabilities = invalid(as_classes), no_labels = invalid(as_labels);
    if (no_probabilities == 0) return as_classes;
    if (no_labels == 0) return as_labels;
    throw Error(concat(who_,
                       ": targets of the output's shape must be probabilities of the classes "
                       "or labels, 0 or 1; those of ",
                       no_probabilities, " samples do not sum to 1, and ", no_labels,
                       " targets are neither 0 nor 1"));
}

void ClassMetric::refuse_targets(int64_t number) const {
    if (has_shares_ && !uses_.several_labels)
        throw Error(concat(who_,
                           ": takes no multilabel targets, and those of the output's shape are no "
                           "probabilities of the classes: those of ",
                           number, " samples do not sum to 1"));
    throw Error(concat(who_, ": ", number,
                       " targets (or predicted class numbers) are none of the classes (or labels, "
                       "which are 0 or 1); check the labels and num_classes, or name what is to be "
                       "left out with ignore_index"));
}

}  // namespace ailab
