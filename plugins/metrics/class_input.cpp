#include "class_input.hpp"

namespace ailab {
namespace {

bool is_integer(const Tensor& tensor) {
    return at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false);
}

class Reader {
  public:
    Reader(const std::string& who, const TaskOptions& options, const Tensor& output,
           const Tensor& target)
        : who_(who), o_(options), output_(output), target_(target) {}

    ClassInput read() {
        if (output_.dim() < 1 || target_.dim() < 1) fail();
        const bool squeezed = o_.task != "multiclass" && has_class_axis() && output_.size(1) == 1;
        if (squeezed) output_ = output_.squeeze(1);
        const std::string task = o_.task == "auto" ? guess(squeezed) : o_.task;
        if (task == "multiclass") return classes();
        return labels(task == "binary");
    }

  private:
    [[noreturn]] void fail() const {
        throw Error(concat(
            who_, " (task: ", o_.task,
            "): expected output [N, classes, …] and target [N, …] of class numbers, or output and "
            "target of one shape (numbers of classes, or scores and 0 or 1); got ",
            describe(output_, target_)));
    }

    bool same_shape() const { return output_.sizes() == target_.sizes(); }
    bool has_class_axis() const {
        return output_.dim() == target_.dim() + 1 && output_.size(0) == target_.size(0) &&
               output_.sizes().slice(2) == target_.sizes().slice(1);
    }

    std::string guess(bool squeezed) const {
        if (squeezed) return "binary";
        if (has_class_axis() || is_integer(output_)) return "multiclass";
        return output_.dim() == 1 || output_.size(1) == 1 ? "binary" : "multilabel";
    }

    ClassInput classes() const {
        const bool scores = has_class_axis();
        if (!is_integer(target_) || (!scores && !(same_shape() && is_integer(output_)))) fail();
        ClassInput input;
        input.classes = scores ? output_.size(1) : o_.num_classes.value_or(0);
        if (input.classes == 0)
            throw Error(concat(who_,
                               ": needs num_classes where the output holds class numbers; "
                               "got ",
                               describe(output_, target_)));
        check_count(input.classes, "classes");
        const int64_t n = output_.size(0);
        input.output = scores ? output_.reshape({n, input.classes, -1})
                              : output_.reshape({n, -1}).to(at::kLong);
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
        return number.ge(0).logical_and_(number.lt(classes));
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

ClassInput class_input(const std::string& who, const TaskOptions& options, const Tensor& output,
                       const Tensor& target) {
    return Reader(who, options, output, target).read();
}

Tensor predicted_classes(const ClassInput& input) {
    return input.has_scores() ? input.output.argmax(1) : input.output;
}

Tensor count_classes(const ClassInput& input, double threshold, bool each_sample) {
    const Tensor counts = input.target.ge(0);
    if (input.labels) {
        const Tensor predicted = input.output.gt(threshold).logical_and_(counts);
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

void check_targets(const std::string& who, const std::map<std::string, Tensor>& states) {
    const auto invalid = states.at("invalid").item<int64_t>();
    if (invalid != 0)
        throw Error(concat(who, ": ", invalid,
                           " targets (or predicted class numbers) are none of the classes; check "
                           "num_classes, or name what is to be left out with ignore_index"));
}

}  // namespace ailab
