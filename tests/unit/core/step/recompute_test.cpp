// `runtime.recompute`: what is trained is the same to the bit, and less memory is needed for it.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "ailab/block.hpp"
#include "ailab/full_precision.hpp"
#include "ailab/model.hpp"
#include "ailab/support/trace.hpp"
#include "step/autocast.hpp"
#include "step/recompute.hpp"

namespace ailab {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

/// A model of these tests: from x, which needs no gradient, to a loss.
class Net : public nn::Module {
  public:
    virtual Tensor loss(const Tensor& x) = 0;
    /// Between the forward and the backward pass.
    virtual void between() {}
};

constexpr int64_t samples = 6, width = 16;

/// A transformer's layer, [N, tokens, width], with dropout at each place.
class Layer : public nn::Module {
  public:
    Layer() {
        norm1 = register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({width})));
        qkv = register_module("qkv", nn::Linear(width, 3 * width));
        norm2 = register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({width})));
        fc1 = register_module("fc1", nn::Linear(width, 4 * width));
        fc2 = register_module("fc2", nn::Linear(4 * width, width));
    }
    Tensor forward(const Tensor& x) {
        const auto parts = qkv(norm1(x)).view({x.size(0), -1, 2, 3 * width / 2}).transpose(1, 2);
        const auto heads = parts.chunk(3, -1);
        const Tensor attended = at::scaled_dot_product_attention(heads[0], heads[1], heads[2], {},
                                                                 is_training() ? 0.2 : 0.0);
        const Tensor y = drop(attended.transpose(1, 2).flatten(2)) + x;
        return drop(fc2(drop(at::gelu(fc1(norm2(y)))))).add_(y);
    }

    nn::LayerNorm norm1{nullptr}, norm2{nullptr};
    nn::Linear qkv{nullptr}, fc1{nullptr}, fc2{nullptr};

  private:
    Tensor drop(const Tensor& x) const { return at::dropout(x, 0.3, is_training()); }
};

/// A residual block with batch norms, [N, width, h, w].
class Residual : public nn::Module {
  public:
    explicit Residual(std::optional<double> momentum = 0.1) {
        const auto conv = [] {
            return nn::Conv2d(nn::Conv2dOptions(width, width, 3).padding(1).bias(false));
        };
        const auto norm = [&] {
            return nn::BatchNorm2d(nn::BatchNorm2dOptions(width).momentum(momentum));
        };
        conv1 = register_module("conv1", conv());
        norm1 = register_module("norm1", norm());
        conv2 = register_module("conv2", conv());
        norm2 = register_module("norm2", norm());
    }
    Tensor forward(const Tensor& x) {
        Tensor y = norm2(conv2(norm1(conv1(x)).relu_()));
        y += x;
        return y.relu_();
    }

    nn::Conv2d conv1{nullptr}, conv2{nullptr};
    nn::BatchNorm2d norm1{nullptr}, norm2{nullptr};
};

template <class Each>
class Repeated : public Net {
  public:
    explicit Repeated(int64_t count = 3) {
        for (int64_t i = 0; i < count; ++i)
            layers.push_back(
                register_module("layer" + std::to_string(i), std::make_shared<Each>()));
        head = register_module("head", nn::Linear(width, 5));
    }
    Tensor body(const Tensor& x) {
        Tensor y = x;
        for (const auto& layer : layers) y = block(*layer, &Each::forward, y);
        return y;
    }
    Tensor classify(const Tensor& features) {
        return at::log_softmax(head(features), 1).select(1, 2).mean();
    }

    std::vector<std::shared_ptr<Each>> layers;
    nn::Linear head{nullptr};
};

class Transformer : public Repeated<Layer> {
  public:
    using Repeated::Repeated;
    Tensor loss(const Tensor& x) override {
        return classify(body(x.view({samples, -1, width})).mean(1));
    }
};

class Convolutional : public Repeated<Residual> {
  public:
    using Repeated::Repeated;
    Tensor loss(const Tensor& x) override {
        return classify(body(x.view({samples, width, 4, 4})).mean({2, 3}));
    }
};

// ---- what is compared

struct Settings {
    bool recompute = false;
    std::optional<AutocastPlan> autocast;
    int iterations = 3;  // whose gradients add up
};

std::map<std::string, Tensor> train(const std::function<std::shared_ptr<Net>()>& make,
                                    const Settings& settings) {
    at::set_num_threads(1);
    at::manual_seed(7);
    const std::shared_ptr<Net> net = make();
    net->train();
    const Tensor data = at::randn({settings.iterations, samples, width * 16});
    std::map<std::string, Tensor> found;
    for (int i = 0; i < settings.iterations; ++i) {
        at::manual_seed(uint64_t(100 + i));
        const auto key = [&](const std::string& name) { return name + std::to_string(i); };
        Tensor loss;
        {
            const AutocastScope scope(settings.autocast, c10::kCPU);
            std::optional<BlockScope> blocks;
            if (settings.recompute) blocks.emplace(recomputation());
            loss = net->loss(data[i]);
            if (blocks) EXPECT_GT(blocks->blocks(), 0);
        }
        net->between();
        loss.backward();
        found[key("loss")] = loss.detach();
        found[key("next random number")] = at::rand({1});
    }
    for (const auto& parameter : net->named_parameters())
        found[parameter.key() + ".grad"] = parameter.value().grad();
    for (const auto& buffer : net->named_buffers()) found[buffer.key()] = buffer.value().clone();
    return found;
}

void expect_same(const std::map<std::string, Tensor>& found,
                 const std::map<std::string, Tensor>& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    int gradients = 0;
    for (const auto& [name, tensor] : wanted) {
        const Tensor& other = found.at(name);
        ASSERT_EQ(other.defined(), tensor.defined()) << name;
        if (!tensor.defined()) continue;
        EXPECT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
        EXPECT_TRUE(other.equal(tensor))
            << name << ": differs by " << (other - tensor).abs().max().item<double>();
        gradients += name.ends_with(".grad") && tensor.count_nonzero().item<int64_t>() > 0;
    }
    EXPECT_GT(gradients, 0);
}

// ---- the cases

/// Blocks of two layers, which are blocks themselves.
class Nested : public Transformer {
  public:
    Nested() : Transformer(4) {}
    Tensor loss(const Tensor& x) override {
        Tensor y = x.view({samples, -1, width});
        for (int64_t pair = 0; pair < 2; ++pair)
            y = block(
                *this,
                [](Nested& self, const Tensor& input, int64_t number) {
                    Tensor output = input;
                    for (size_t i = 0; i < 2; ++i)
                        output =
                            block(*self.layers[size_t(2 * number) + i], &Layer::forward, output);
                    return output;
                },
                y, pair);
        return classify(y.mean(1));
    }
};

/// Of several outputs some are not used, and one is of whole numbers.
class ManyOutputs : public Transformer {
  public:
    Tensor loss(const Tensor& x) override {
        Tensor y = x.view({samples, -1, width});
        for (const auto& layer : layers) {
            const auto [next, unused, others] = block(
                *layer,
                [](Layer& self, const Tensor& input) {
                    const Tensor output = self.forward(input);
                    return std::make_tuple(
                        output, self.fc1(output),
                        std::vector<Tensor>{output.argmax(-1), output.detach(), Tensor(), input});
                },
                y);
            EXPECT_TRUE(unused.requires_grad());
            EXPECT_EQ(others[0].scalar_type(), at::kLong);
            EXPECT_FALSE(others[1].requires_grad());
            EXPECT_FALSE(others[2].defined());
            EXPECT_EQ(others[3].requires_grad(), y.requires_grad());
            y = next + others[0].unsqueeze(-1) + others[3];
        }
        return classify(y.mean(1));
    }
};

/// Inputs of all kinds; two of the same tensor.
class ManyInputs : public Transformer {
  public:
    Tensor loss(const Tensor& x) override {
        Tensor y = x.view({samples, -1, width});
        const Tensor scale = head->weight.mean().exp();  // made outside, with a graph
        for (size_t i = 0; i < layers.size(); ++i)
            y = block(
                *layers[i],
                [](Layer& self, const Tensor& a, const Tensor& b, const Tensor& none,
                   const std::optional<Tensor>& maybe, const std::vector<Tensor>& list, bool adds,
                   const std::string& word) {
                    EXPECT_FALSE(none.defined());
                    EXPECT_EQ(word, "word");
                    const Tensor output = self.forward(a) * b.sigmoid() * list.at(1);
                    return adds ? output + *maybe : output - list.at(0);
                },
                y, y, Tensor(), i == 1 ? std::optional<Tensor>() : std::optional<Tensor>(x.mean()),
                std::vector<Tensor>{y, scale}, i != 1, std::string("word"));
        return classify(y.mean(1));
    }
};

/// Two blocks share a weight.
class TiedBlocks : public Transformer {
  public:
    TiedBlocks() { layers[2]->fc1->weight = layers[0]->fc1->weight; }
};

/// One layer, run twice.
class Twice : public Transformer {
  public:
    Twice() : Transformer(1) { layers.push_back(layers[0]); }
};

class Frozen : public Transformer {
  public:
    Frozen() {
        for (Tensor& parameter : layers[0]->parameters()) parameter.set_requires_grad(false);
        layers[1]->fc1->weight.set_requires_grad(false);
    }
};

/// Most of its last layer is not used.
class Unused : public Transformer {
  public:
    Tensor loss(const Tensor& x) override {
        Tensor y = x.view({samples, -1, width});
        y = block(*layers[0], &Layer::forward, y);
        y = block(
            *layers[1], [](Layer& self, const Tensor& input) { return self.norm1(input); }, y);
        return classify(y.mean(1));
    }
};

/// What it multiplies with depends on a vector that each forward pass changes (spectral norm).
class PowerIteration : public nn::Module {
  public:
    PowerIteration() {
        weight = register_parameter("weight", at::randn({width, width}));
        u = register_buffer("u", at::ones({width}));
        table = register_buffer("table", at::ones({1024, 512}));
    }
    Tensor forward(const Tensor& x) {
        Tensor now;
        {
            const at::NoGradGuard no_grad;
            const Tensor v = F::normalize(weight.t().mv(u), F::NormalizeFuncOptions().dim(0));
            u.copy_(F::normalize(weight.mv(v), F::NormalizeFuncOptions().dim(0)));
            table.add_(u[0]);
            now = u.clone();
        }
        return at::linear(x, weight / weight.t().mv(now).norm()) * table[3][4];
    }
    Tensor weight, u, table;
};
class SpectralNorms : public Repeated<PowerIteration> {
  public:
    Tensor loss(const Tensor& x) override {
        return classify(body(x.view({samples, -1, width})).mean(1));
    }
};

/// The modes change between the passes.
class Evaluated : public Transformer {
  public:
    Tensor loss(const Tensor& x) override {
        train();
        layers[1]->eval();
        return Transformer::loss(x);
    }
    void between() override {
        eval();
        layers[1]->train();
    }
};

/// Users' hooks on a gradient are called once.
class Hooked : public Transformer {
  public:
    Hooked() {
        layers[1]->fc1->weight.register_hook([](const Tensor& gradient) { return gradient * 3; });
    }
};

class InFullPrecision : public Transformer {
  public:
    Tensor loss(const Tensor& x) override {
        Tensor y = block(*layers[0], &Layer::forward, x.view({samples, -1, width}));
        {
            const FullPrecision full(y);
            y = block(*layers[1], &Layer::forward, y.to(at::kFloat));
            EXPECT_EQ(y.scalar_type(), at::kFloat);
        }
        return classify(block(*layers[2], &Layer::forward, y).mean(1));
    }
};

/// Changes what the block returned.
class ChangesOutputs : public Convolutional {
  public:
    Tensor loss(const Tensor& x) override {
        Tensor y = x.view({samples, width, 4, 4});
        for (const auto& layer : layers) {
            y = block(
                *layer,
                [](Residual& self, const Tensor& input) {
                    return (self.forward(input) * 1.5).flatten(2);
                },
                y);
            y.mul_(0.5).relu_();
            y = y.view({samples, width, 4, 4});
        }
        return classify(y.mean({2, 3}));
    }
};

class Cumulative : public Convolutional {
  public:
    Cumulative() : Convolutional(0) {
        for (const char* name : {"a", "b"})
            layers.push_back(register_module(name, std::make_shared<Residual>(std::nullopt)));
    }
};

template <class T>
std::shared_ptr<Net> make() {
    return std::make_shared<T>();
}

struct Case {
    const char* name;
    std::function<std::shared_ptr<Net>()> make;
};
void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name;
}

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, InFloat32AndUnderAutocast) {
    const AutocastPlan bfloat16;
    for (const auto& autocast : {std::optional<AutocastPlan>(), std::optional(bfloat16)}) {
        SCOPED_TRACE(autocast ? "bfloat16" : "float32");
        // Autocast converts a weight of two blocks in each of them, so that the two gradients are
        // added in float32 and not in bfloat16.
        const std::string name = GetParam().name;
        if (autocast && (name == "tied" || name == "twice")) continue;
        const Settings as_usual{.recompute = false, .autocast = autocast};
        const Settings again{.recompute = true, .autocast = autocast};
        expect_same(train(GetParam().make, again), train(GetParam().make, as_usual));
    }
}

INSTANTIATE_TEST_SUITE_P(Recompute, SameBits,
                         testing::Values(Case{"transformer", make<Transformer>},
                                         Case{"batch_norms", make<Convolutional>},
                                         Case{"cumulative_statistics", make<Cumulative>},
                                         Case{"block_within_a_block", make<Nested>},
                                         Case{"many_outputs", make<ManyOutputs>},
                                         Case{"many_inputs", make<ManyInputs>},
                                         Case{"tied", make<TiedBlocks>}, Case{"twice", make<Twice>},
                                         Case{"frozen", make<Frozen>}, Case{"unused", make<Unused>},
                                         Case{"changing_buffers", make<SpectralNorms>},
                                         Case{"other_modes_in_backward", make<Evaluated>},
                                         Case{"hook_on_a_gradient", make<Hooked>},
                                         Case{"full_precision", make<InFullPrecision>},
                                         Case{"outputs_changed_in_place", make<ChangesOutputs>}),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- what is refused

/// What training it with recomputation throws.
template <class Loss>
std::string refusal(const Loss& loss) {
    at::set_num_threads(1);
    at::manual_seed(1);
    const auto net = std::make_shared<Transformer>();
    const Tensor x = at::randn({samples, 4, width});
    try {
        Tensor value;
        {
            BlockScope blocks(recomputation());
            value = loss(*net, x);
        }
        if (value.defined()) value.backward();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

void expect_says(const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(RecomputeRefuses, ChangesOfAnInput) {
    const auto changes = [](Layer& self, Tensor input) { return self.forward(input.mul_(2)); };
    const std::string wanted = "it changes an input in place";
    expect_says(refusal([&](Transformer& net, const Tensor& x) {
                    return block(*net.layers[0], changes, x).mean();
                }),
                wanted);
    expect_says(refusal([&](Transformer& net, const Tensor& x) {
                    return block(*net.layers[1], changes, net.layers[0]->forward(x)).mean();
                }),
                wanted);
}

TEST(RecomputeRefuses, ActivationsThatAreNoInputs) {
    static Tensor aside;
    const std::string message = refusal([](Transformer& net, const Tensor& x) {
        aside = net.layers[0]->forward(x);
        return block(
                   *net.layers[1],
                   [](Layer& self, const Tensor& input) { return self.forward(input) + aside; }, x)
            .mean();
    });
    aside = Tensor();
    expect_says(message, "it uses an activation that is none of its inputs");
    expect_says(message, "Layer");
}

TEST(RecomputeRefuses, ParametersThatHaveChangedSince) {
    expect_says(refusal([](Transformer& net, const Tensor& x) {
                    const Tensor y = block(*net.layers[0], &Layer::forward, x).mean();
                    const at::NoGradGuard no_grad;
                    net.layers[0]->fc2->weight.add_(1);
                    return y;
                }),
                "was changed between the forward and the backward pass");
}

TEST(RecomputeRefuses, InputsThatHaveChangedSince) {
    expect_says(refusal([](Transformer& net, const Tensor& x) {
                    const Tensor y = net.layers[0]->forward(x);
                    const Tensor z = block(*net.layers[1], &Layer::forward, y).mean();
                    const at::NoGradGuard no_grad;
                    y.add_(1);
                    return z;
                }),
                "modified by an inplace operation");
}

TEST(RecomputeRefuses, OtherOutputsTheSecondTime) {
    static int calls;
    calls = 0;
    expect_says(refusal([](Transformer& net, const Tensor& x) {
                    return block(
                               *net.layers[0],
                               [](Layer& self, const Tensor& input) {
                                   const Tensor y = self.forward(input);
                                   return ++calls == 1 ? y : y.narrow(0, 0, 1);
                               },
                               x)
                        .mean();
                }),
                "run again it returned other outputs");
}

TEST(RecomputeRefuses, DerivativesOfDerivatives) {
    expect_says(refusal([](Transformer& net, const Tensor& x) {
                    const Tensor leaf = x.clone().requires_grad_();
                    const Tensor y = block(*net.layers[0], &Layer::forward, leaf).sum();
                    return torch::autograd::grad({y}, {leaf}, {}, true, true)[0].square().sum();
                }),
                "is to be derived in its turn");
}

TEST(RecomputeRefuses, PassesOnWhatTheFunctionThrows) {
    EXPECT_EQ(refusal([](Transformer& net, const Tensor& x) {
                  return block(
                      *net.layers[0],
                      [](Layer&, const Tensor&) -> Tensor { throw std::runtime_error("mine"); }, x);
              }),
              "mine");
}

// ---- around it

TEST(Recompute, CallsHooksOfAccumulatedGradientsOnce) {
    at::manual_seed(1);
    const auto net = std::make_shared<Twice>();
    std::map<std::string, int> calls;
    struct Count final : torch::autograd::PostAccumulateGradHook {
        explicit Count(int& calls) : calls_(calls) {}
        void operator()(const Tensor&) override { ++calls_; }
        int& calls_;
    };
    for (auto& parameter : net->named_parameters())
        torch::autograd::impl::set_post_acc_grad_hooks(
            parameter.value(), std::make_unique<Count>(calls[parameter.key()]));
    BlockScope blocks(recomputation());
    net->loss(at::randn({samples, 4, width})).backward();
    for (const auto& [name, count] : calls) EXPECT_EQ(count, 1) << name;
    EXPECT_GT(calls.size(), 5u);
}

TEST(Recompute, GivesEachOfSeveralRootsItsGradients) {
    // As for a loss of several terms: the graph is kept, and only some gradients are asked for.
    const auto gradients = [](bool recompute) {
        at::manual_seed(1);
        const auto net = std::make_shared<Transformer>();
        const Tensor x = at::randn({samples, 4, width});
        std::optional<BlockScope> blocks;
        if (recompute) blocks.emplace(recomputation());
        const Tensor y = net->body(x).mean(1);
        const std::vector<Tensor> sources = {net->layers[0]->fc1->weight,
                                             net->layers[2]->qkv->bias};
        std::vector<Tensor> all = torch::autograd::grad({y.square().sum()}, sources, {}, true);
        for (Tensor& one : torch::autograd::grad({y.exp().sum()}, sources)) all.push_back(one);
        EXPECT_FALSE(net->layers[0]->fc1->weight.grad().defined());
        return all;
    };
    const std::vector<Tensor> found = gradients(true), wanted = gradients(false);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(found[i].equal(wanted[i])) << i;
}

TEST(Recompute, RunsABlockOnceWithoutGradients) {
    static int calls;
    const auto counts = [](Layer& self, const Tensor& input) {
        ++calls;
        return self.forward(input);
    };
    const auto net = std::make_shared<Transformer>();
    const Tensor x = at::randn({samples, 4, width});
    BlockScope blocks(recomputation());
    calls = 0;
    {
        const at::NoGradGuard no_grad;
        EXPECT_FALSE(block(*net->layers[0], counts, x).requires_grad());
    }
    for (Tensor& parameter : net->parameters()) parameter.set_requires_grad(false);
    EXPECT_FALSE(block(*net->layers[0], counts, x).requires_grad());
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(blocks.blocks(), 2);
}

class Traced : public Model {
  public:
    Traced() { register_module("net", net); }
    Tensor forward(const Tensor& x) override { return net->body(x); }
    std::shared_ptr<Transformer> net = std::make_shared<Transformer>();
};

TEST(Recompute, LeavesATracedGraphAsItIs) {
    Traced model;
    Batch inputs{{"input", at::randn({2, 4, width})}};
    inputs.size = 2;
    const auto graph = [&] {
        return trace_model(model, inputs).module.get_method("forward").graph()->toString(false);
    };
    const std::string wanted = graph();
    BlockScope blocks(recomputation());
    EXPECT_EQ(graph(), wanted);
    expect_says(wanted, "layer_norm");
}

// ---- memory

/// Counts the bytes of tensors on this thread.
class Bytes final : public c10::MemoryReportingInfoBase {
  public:
    void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
        now_ += size;
        most = std::max(most, now_);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t most = 0;

  private:
    int64_t now_ = 0;
};

int64_t peak_bytes(bool recompute) {
    at::set_num_threads(1);
    at::manual_seed(1);
    const auto net = std::make_shared<Transformer>(8);
    const Tensor x = at::randn({samples, 16, width});
    net->loss(x).backward();  // the gradients are there now
    const auto bytes = std::make_shared<Bytes>();
    const c10::DebugInfoGuard counted(c10::DebugInfoKind::PROFILER_STATE, bytes);
    std::optional<BlockScope> blocks;
    if (recompute) blocks.emplace(recomputation());
    net->loss(x).backward();
    return bytes->most;
}

TEST(Recompute, NeedsLessMemoryForActivations) {
    const int64_t usual = peak_bytes(false), again = peak_bytes(true);
    EXPECT_LT(double(again), 0.4 * double(usual)) << again << " bytes of " << usual;
}

}  // namespace
}  // namespace ailab
