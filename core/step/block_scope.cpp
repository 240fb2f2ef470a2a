#include "block_scope.hpp"

namespace ailab {

namespace {

thread_local BlockScope* present_scope = nullptr;

}  // namespace

BlockScope::BlockScope(BlockPolicy& policy) : policy_(policy), outer_(present_scope) {
    present_scope = this;
}

BlockScope::~BlockScope() {
    present_scope = outer_;
}

namespace detail {

BlockBody::BlockBody(torch::nn::Module& module)
    : module_(module), owned_(module.weak_from_this().lock()) {}
BlockBody::~BlockBody() = default;

bool runs_blocks() noexcept {
    return present_scope != nullptr;
}

std::vector<Tensor> run_block(const std::shared_ptr<BlockBody>& body,
                              const std::vector<Tensor>& inputs) {
    ++present_scope->blocks_;
    return present_scope->policy_.run(body, inputs);
}

}  // namespace detail

}  // namespace ailab
