// L-BFGS (Liu and Nocedal, 1989): a quasi-Newton method for losses that are the same at each
// evaluation. All parameters are one flat vector.
#include <algorithm>
#include <cmath>
#include <deque>

#include "common_options.hpp"
#include "line_search.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct LbfgsOptions {
    double lr = 1;
    int64_t max_iter = 20;
    std::optional<int64_t> max_eval;
    double tolerance_grad = 1e-7;
    double tolerance_change = 1e-9;
    int64_t history_size = 100;
    std::optional<std::string> line_search_fn;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("max_iter", max_iter, "most iterations of a step", steps_from(1));
        v.option("max_eval", max_eval, "most evaluations of the loss in a step; null: 5/4 max_iter",
                 steps_from(1));
        v.option("tolerance_grad", tolerance_grad,
                 "a step ends when no element of the gradient is larger", at_least(0));
        v.option("tolerance_change", tolerance_change,
                 "a step ends when loss or parameters change by less", at_least(0));
        v.option("history_size", history_size, "steps that the curvature is estimated from",
                 count_from(1));
        v.option("line_search_fn", line_search_fn, "how far to go; null: by lr",
                 one_of({"strong_wolfe"}));
    }
};

double largest(const Tensor& vector) {
    return vector.abs().max().item<double>();
}
/// A tensor's numbers: complex ones are two each, as in PyTorch.
Tensor real_view(const Tensor& tensor) {
    return tensor.is_complex() ? at::view_as_real(tensor) : tensor;
}
int64_t count_numbers(const Tensor& param) {
    return param.is_complex() ? 2 * param.numel() : param.numel();
}
at::ScalarType number_type(const Tensor& param) {
    return c10::toRealValueType(param.scalar_type());
}
at::TensorOptions number_options(const Tensor& param) {
    return param.options().dtype(number_type(param)).requires_grad(false);
}

double product(const Tensor& a, const Tensor& b) {
    return a.dot(b).item<double>();
}

/// One iteration's change of the gradient (y) and of the parameters (s), and 1 / (y s).
struct Correction {
    Tensor y, s;
    double ro;
};

class LBFGS final : public Optimizer {
  public:
    using Options = LbfgsOptions;
    explicit LBFGS(const Options& options)
        : o(options), max_eval_(options.max_eval.value_or(options.max_iter * 5 / 4)) {}

    double default_lr() const override { return o.lr; }
    bool needs_closure() const override { return true; }

    void step(const Tensor&, const Tensor&) override {
        throw Error("LBFGS evaluates the loss several times a step: it needs step(closure)");
    }
    void step(const std::function<double()>& closure) override;

    /// The names in the values' "params"; "d", "prev_flat_grad" and (from the second iteration)
    /// "old_dirs" and "old_stps", a row a correction, over all parameters one behind the other.
    State save_state() const override;
    void load_state(const State& state) override;

  private:
    using Closure = std::function<double()>;

    const std::vector<Tensor>& params() const { return groups()[0].params; }
    void check_parameters() const;
    void check_order(const Node* names) const;
    double evaluate(const Closure& closure);
    Tensor flat_gradient() const;
    void move(const Tensor& direction, double t) const;
    void find_direction(const Tensor& grad);
    /// Moves the parameters along d_; `loss` and `grad` become those of the new place. Returns the
    /// number of evaluations.
    int64_t search_line(const Closure& closure, double slope, int64_t max_evaluations, double& loss,
                        Tensor& grad);

    const Options o;
    const int64_t max_eval_;
    int64_t n_iter_ = 0, func_evals_ = 0;
    /// The last direction and how far it was followed; undefined before the first iteration.
    Tensor d_;
    double t_ = 0;
    std::deque<Correction> history_;
    /// Scale of the inverse Hessian before the corrections.
    double h_diag_ = 1;
    Tensor prev_flat_grad_;
};

void LBFGS::check_parameters() const {
    if (groups().size() != 1)
        throw Error(concat("LBFGS takes one parameter group, got ", groups().size()));
    for (size_t i = 0; i < params().size(); ++i)
        if (params()[i].device() != params()[0].device() ||
            number_type(params()[i]) != number_type(params()[0]))
            throw Error(concat("LBFGS takes parameters of one dtype and device: ",
                               groups()[0].names[i], " differs from ", groups()[0].names[0]));
}

/// The parameters are one flat vector, so their order must be the saved one. States of earlier
/// versions do not tell it.
void LBFGS::check_order(const Node* names) const {
    if (!names) return;
    std::vector<std::string> saved;
    if (names->is_list())
        for (const Node& name : names->items())
            saved.push_back(name.is_string() ? name.as_string() : name.describe());
    const std::vector<std::string>& own = groups()[0].names;
    for (size_t i = 0; i < std::max(saved.size(), own.size()); ++i) {
        const std::string then = i < saved.size() ? saved[i] : "none";
        const std::string now = i < own.size() ? own[i] : "none";
        if (then != now)
            throw Error(concat("the saved state of LBFGS has the parameters in another order: ",
                               "number ", i + 1, " is ", then, " there and ", now, " here"));
    }
}

double LBFGS::evaluate(const Closure& closure) {
    const at::AutoGradMode grad(true);
    ++func_evals_;
    return closure();
}

Tensor LBFGS::flat_gradient() const {
    std::vector<Tensor> parts;
    for (const Tensor& param : params())
        parts.push_back(param.grad().defined()
                            ? real_view(param.grad().resolve_conj()).reshape(-1)
                            : at::zeros(count_numbers(param), number_options(param)));
    return at::cat(parts);
}

void LBFGS::move(const Tensor& direction, double t) const {
    int64_t begin = 0;
    for (const Tensor& param : params()) {
        Tensor numbers = real_view(param);
        numbers.add_(direction.narrow(0, begin, numbers.numel()).view(numbers.sizes()), t);
        begin += numbers.numel();
    }
}

/// The two-loop recursion.
void LBFGS::find_direction(const Tensor& grad) {
    if (n_iter_ == 1) {
        d_ = grad.neg();
        history_.clear();
        h_diag_ = 1;
        return;
    }
    const Tensor y = grad.sub(prev_flat_grad_), s = d_.mul(t_);
    const double ys = product(y, s);
    if (ys > 1e-10) {
        if (int64_t(history_.size()) == o.history_size) history_.pop_front();
        history_.push_back({y, s, 1 / ys});
        h_diag_ = ys / product(y, y);
    }
    d_ = grad.neg();
    std::vector<double> al(history_.size());
    for (size_t i = history_.size(); i-- > 0;) {
        al[i] = product(history_[i].s, d_) * history_[i].ro;
        d_.add_(history_[i].y, -al[i]);
    }
    d_.mul_(h_diag_);
    for (size_t i = 0; i < history_.size(); ++i)
        d_.add_(history_[i].s, al[i] - product(history_[i].y, d_) * history_[i].ro);
}

int64_t LBFGS::search_line(const Closure& closure, double slope, int64_t max_evaluations,
                           double& loss, Tensor& grad) {
    std::vector<Tensor> start;
    for (const Tensor& param : params()) start.push_back(param.clone());
    LineSearch search{.evaluate =
                          [&](double t) {
                              move(d_, t);
                              LinePoint point{
                                  .t = t, .loss = evaluate(closure), .grad = flat_gradient()};
                              point.slope = product(point.grad, d_);
                              at::_foreach_copy_(params(), start);
                              return point;
                          },
                      .d_norm = largest(d_),
                      .tolerance_change = o.tolerance_change,
                      .max_evaluations = max_evaluations};
    const LinePoint found =
        search.strong_wolfe({.t = 0, .loss = loss, .grad = grad, .slope = slope}, t_);
    t_ = found.t;
    loss = found.loss;
    grad = found.grad;
    move(d_, t_);
    return search.evaluations;
}

void LBFGS::step(const Closure& closure) {
    const at::NoGradGuard no_grad;
    check_parameters();
    double loss = evaluate(closure);
    Tensor grad = flat_gradient();
    if (largest(grad) <= o.tolerance_grad) return;

    const double lr = groups()[0].lr;
    int64_t evaluations = 1;
    for (int64_t iteration = 1; iteration <= o.max_iter; ++iteration) {
        ++n_iter_;
        find_direction(grad);
        prev_flat_grad_ = grad;
        const double prev_loss = loss;
        t_ = n_iter_ == 1 ? std::min(1.0, 1 / grad.abs().sum().item<double>()) * lr : lr;
        const double slope = product(grad, d_);
        if (slope > -o.tolerance_change) break;

        if (o.line_search_fn) {
            evaluations += search_line(closure, slope, max_eval_ - evaluations, loss, grad);
        } else {
            move(d_, t_);
            // The loss after the last iteration is left to the next step, whose data may differ.
            if (iteration == o.max_iter) break;
            loss = evaluate(closure);
            grad = flat_gradient();
            ++evaluations;
        }
        if (evaluations >= max_eval_ || largest(grad) <= o.tolerance_grad ||
            largest(d_) * std::abs(t_) <= o.tolerance_change ||
            std::abs(loss - prev_loss) < o.tolerance_change)
            break;
    }
}

State LBFGS::save_state() const {
    State state;
    Node::List names;
    for (const ParamGroup& group : groups())
        for (const std::string& name : group.names) names.push_back(Node::string(name));
    state.values.set("params", Node::list(std::move(names)));
    state.values.set("n_iter", Node(n_iter_));
    state.values.set("func_evals", Node(func_evals_));
    if (n_iter_ == 0) return state;
    state.tensors["d"] = d_;
    state.tensors["t"] = at::scalar_tensor(t_, at::kDouble);
    state.tensors["H_diag"] = at::scalar_tensor(h_diag_, at::kDouble);
    state.tensors["prev_flat_grad"] = prev_flat_grad_;
    if (history_.empty()) return state;
    std::vector<Tensor> y, s, ro;
    for (const Correction& c : history_) {
        y.push_back(c.y);
        s.push_back(c.s);
        ro.push_back(at::scalar_tensor(c.ro, at::kDouble));
    }
    state.tensors["old_dirs"] = at::stack(y);
    state.tensors["old_stps"] = at::stack(s);
    state.tensors["ro"] = at::stack(ro);
    return state;
}

void LBFGS::load_state(const State& state) {
    check_parameters();
    check_order(state.values.find("params"));
    int64_t size = 0;
    for (const Tensor& param : params()) size += count_numbers(param);
    auto number = [&](const char* name) {
        const Node* value = state.values.find(name);
        if (!value || !value->is_int())
            throw Error(concat("the saved state is not one of LBFGS: it has no ", name));
        return value->as_int();
    };
    /// A copy with this shape, on the device of the parameters if it is of their dtype.
    auto tensor = [&](const char* name, at::IntArrayRef shape, bool like_params) {
        const auto found = state.tensors.find(name);
        if (found == state.tensors.end())
            throw Error(concat("the saved state is not one of LBFGS: it has no ", name));
        const Tensor& value = found->second;
        if (value.sizes() != shape)
            throw Error(concat("the saved state does not fit: ", name, " has the shape ",
                               c10::str(value.sizes()), " instead of ", c10::str(shape)));
        return value.to(like_params ? number_options(params()[0]) : at::TensorOptions(at::kDouble),
                        /*non_blocking=*/false, /*copy=*/true);
    };

    LBFGS loaded(o);
    loaded.n_iter_ = number("n_iter");
    loaded.func_evals_ = number("func_evals");
    if (loaded.n_iter_ > 0) {
        loaded.d_ = tensor("d", {size}, true);
        loaded.t_ = tensor("t", {}, false).item<double>();
        loaded.h_diag_ = tensor("H_diag", {}, false).item<double>();
        loaded.prev_flat_grad_ = tensor("prev_flat_grad", {size}, true);
    }
    if (const auto ro = state.tensors.find("ro"); ro != state.tensors.end()) {
        const int64_t count = ro->second.numel();
        if (count > o.history_size)
            throw Error(concat("the saved state has ", count,
                               " corrections, more than history_size ", o.history_size));
        const Tensor y = tensor("old_dirs", {count, size}, true);
        const Tensor s = tensor("old_stps", {count, size}, true);
        const Tensor factors = tensor("ro", {count}, false);
        // Copied to memory of their own: rows that lie otherwise aligned are summed in another
        // order.
        for (int64_t i = 0; i < count; ++i)
            loaded.history_.push_back({y[i].clone(), s[i].clone(), factors[i].item<double>()});
    }
    n_iter_ = loaded.n_iter_;
    func_evals_ = loaded.func_evals_;
    d_ = loaded.d_;
    t_ = loaded.t_;
    history_ = std::move(loaded.history_);
    h_diag_ = loaded.h_diag_;
    prev_flat_grad_ = loaded.prev_flat_grad_;
}

}  // namespace

AILAB_REGISTER_OPTIMIZER(LBFGS, "Quasi-Newton steps with several evaluations of the loss each")

}  // namespace ailab
