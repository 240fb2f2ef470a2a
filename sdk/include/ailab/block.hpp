#pragma once
// Repeated blocks of a model, run through the SDK so that the training step can do something around
// each of them. C++ modules have no forward hooks.
#include <torch/nn/module.h>

#include <array>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/export.hpp"

namespace ailab {

namespace detail {

/// What a block takes and returns: which tensors are in it.
template <class T>
struct BlockValue {
    static constexpr bool allowed =
        std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::string>;
    static constexpr bool tensors_alone = false;
    template <class Visit>
    static void visit(T&, const Visit&) {}
};
template <>
struct BlockValue<Tensor> {
    static constexpr bool allowed = true, tensors_alone = true;
    template <class Visit>
    static void visit(Tensor& tensor, const Visit& each) {
        each(tensor);
    }
};
template <class T>
struct BlockValue<std::optional<T>> : BlockValue<T> {
    template <class Visit>
    static void visit(std::optional<T>& value, const Visit& each) {
        if (value) BlockValue<T>::visit(*value, each);
    }
};
template <class T>
struct BlockValue<std::vector<T>> : BlockValue<T> {
    template <class Visit>
    static void visit(std::vector<T>& values, const Visit& each) {
        if constexpr (!std::is_arithmetic_v<T>)
            for (T& value : values) BlockValue<T>::visit(value, each);
    }
};
template <class T, size_t n>
struct BlockValue<std::array<T, n>> : BlockValue<T> {
    template <class Visit>
    static void visit(std::array<T, n>& values, const Visit& each) {
        for (T& value : values) BlockValue<T>::visit(value, each);
    }
};
template <class... T>
struct BlockValue<std::tuple<T...>> {
    static constexpr bool allowed = (BlockValue<T>::allowed && ...);
    static constexpr bool tensors_alone = (BlockValue<T>::tensors_alone && ...);
    template <class Visit>
    static void visit(std::tuple<T...>& values, const Visit& each) {
        std::apply([&](T&... value) { (BlockValue<T>::visit(value, each), ...); }, values);
    }
};
template <class A, class B>
struct BlockValue<std::pair<A, B>> {
    static constexpr bool allowed = BlockValue<A>::allowed && BlockValue<B>::allowed;
    static constexpr bool tensors_alone =
        BlockValue<A>::tensors_alone && BlockValue<B>::tensors_alone;
    template <class Visit>
    static void visit(std::pair<A, B>& values, const Visit& each) {
        BlockValue<A>::visit(values.first, each);
        BlockValue<B>::visit(values.second, each);
    }
};

/// The tensors of `value` in their order; undefined ones stay in their places.
template <class T>
std::vector<Tensor> take_tensors(T& value) {
    std::vector<Tensor> tensors;
    BlockValue<T>::visit(value, [&](Tensor& tensor) { tensors.push_back(std::move(tensor)); });
    return tensors;
}
template <class T>
void put_tensors(T& value, const std::vector<Tensor>& tensors) {
    size_t next = 0;
    BlockValue<T>::visit(value, [&](Tensor& tensor) { tensor = tensors.at(next++); });
}

/// A block as the core runs it: as often as it needs to, with whatever tensors in the places of the
/// inputs.
class AILAB_API BlockBody {
  public:
    explicit BlockBody(torch::nn::Module& module);
    virtual ~BlockBody();
    BlockBody(const BlockBody&) = delete;
    BlockBody& operator=(const BlockBody&) = delete;

    virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;
    torch::nn::Module& module() const { return module_; }

  private:
    torch::nn::Module& module_;
    const std::shared_ptr<torch::nn::Module> owned_;  // where it has owners: it is one more
};

template <class M, class Function, class Arguments, class Result>
class BlockOf final : public BlockBody {
  public:
    BlockOf(M& module, Function function, Arguments arguments)
        : BlockBody(module),
          module_(module),
          function_(function),
          arguments_(std::move(arguments)) {}

    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        Arguments arguments = arguments_;
        put_tensors(arguments, inputs);
        result_ = std::apply(
            [this](const auto&... each) -> Result {
                return std::invoke(function_, module_, each...);
            },
            arguments);
        return take_tensors(*result_);
    }
    /// What the last run returned, with these tensors in it.
    Result result(const std::vector<Tensor>& outputs) const {
        Result result = *result_;
        put_tensors(result, outputs);
        return result;
    }

  private:
    M& module_;
    const Function function_;
    const Arguments arguments_;  // without their tensors
    std::optional<Result> result_;
};

/// Whether the training step wants to run the blocks of this thread's model itself.
AILAB_API bool runs_blocks() noexcept;
AILAB_API std::vector<Tensor> run_block(const std::shared_ptr<BlockBody>& body,
                                        const std::vector<Tensor>& inputs);

}  // namespace detail

/// Returns function(module, inputs...): one of the blocks that a model repeats, such as a
/// transformer's layer. Models that run their blocks so can be trained with
/// `runtime: {recompute: true}`, which keeps a block's inputs alone for the backward pass and runs
/// the block once more there, in place of keeping all that happens inside it.
///
///     Tensor forward(const Tensor& x) override {
///         Tensor y = embed(x);
///         for (const auto& layer : layers) y = ailab::block(*layer, &Layer::forward, y);
///         return head(y);
///     }
///     …
///     return ailab::block(*this, [](Net& self, const Tensor& y, int64_t stage) { … }, y, 2);
///
/// Without that key, in evaluation, where no gradients are wanted and in a traced graph it is the
/// call and nothing more.
///
/// `function`: a pointer to a member function of the module, or a function or a lambda without
/// captures that takes the module first. It may run a second time, long after this call, on the
/// thread of the backward pass. What it returns depends on its inputs, on the module's parameters
/// and buffers, on whether the modules train, and on the framework's default generators (dropout)
/// alone; buffers may change in place (running statistics: the second run begins with what they
/// were, and leaves them as it finds them). It must not change its inputs in place, keep anything
/// for later (members, counters), or use activations that were put aside in members or globals.
///
/// Inputs: tensors (undefined ones too), and optionals, vectors, arrays, pairs and tuples of them;
/// numbers, enumerators and strings, which are kept as they are. Results: tensors, alone or
/// together in the same ways. A result that shares memory with an input must not be changed in
/// place.
///
/// Blocks may lie within blocks; each level is one more forward pass. Passes on what the function
/// throws. Throws Error where, under `recompute`, the function breaks one of the rules above and
/// that can be seen.
template <class M, class Function, class... Inputs>
auto block(M& module, Function function, Inputs&&... inputs) {
    static_assert(std::derived_from<M, torch::nn::Module> && !std::is_const_v<M>,
                  "the first argument of ailab::block is a module: *this, or *holder for a holder "
                  "such as torch::nn::Linear");
    static_assert(std::is_member_function_pointer_v<Function> ||
                      std::is_function_v<std::remove_pointer_t<Function>> ||
                      std::is_empty_v<Function>,
                  "the function of ailab::block may run again when the caller's variables are "
                  "gone, so it captures nothing: let it take the module first, and pass what else "
                  "it needs as inputs");
    static_assert(std::is_invocable_v<Function, M&, const std::decay_t<Inputs>&...>,
                  "the function of ailab::block is called as function(module, inputs...), and does "
                  "not take these; inputs come as values or const references");
    static_assert((detail::BlockValue<std::decay_t<Inputs>>::allowed && ...),
                  "an input of ailab::block is a tensor (or an optional, vector, array, pair or "
                  "tuple of tensors), a number, an enumerator or a std::string");
    using Result = std::decay_t<std::invoke_result_t<Function, M&, const std::decay_t<Inputs>&...>>;
    static_assert(detail::BlockValue<Result>::tensors_alone,
                  "the function of ailab::block returns a tensor, or an optional, vector, array, "
                  "pair or tuple of tensors");

    if (!detail::runs_blocks())
        return Result(std::invoke(function, module, std::as_const(inputs)...));
    using Arguments = std::tuple<std::decay_t<Inputs>...>;
    Arguments arguments(std::forward<Inputs>(inputs)...);
    const std::vector<Tensor> tensors = detail::take_tensors(arguments);
    using Body = detail::BlockOf<M, Function, Arguments, Result>;
    const auto body = std::make_shared<Body>(module, function, std::move(arguments));
    return body->result(detail::run_block(body, tensors));
}

}  // namespace ailab
