#pragma once
// Registries: what a plugin offers, by kind and name. A plugin says AILAB_PLUGIN once, in one .cpp,
// and AILAB_REGISTER_<KIND> for each class.
//
//     AILAB_PLUGIN("my_plugin", "1.0", "What it holds, in one line")
//     AILAB_REGISTER_MODEL(MyNet, "Two convolutions and a linear layer")
//
// The macros only fill constants: nothing is allocated and nothing can throw while the library is
// loaded. The host reads the stamp before it loads the file, and takes over the list afterwards,
// all of it or nothing.
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "ailab/abi.hpp"
#include "ailab/export.hpp"
#include "ailab/options.hpp"

namespace ailab {

class Dataset;
class Model;
class Loss;
class Metric;
class Optimizer;
class LrScheduler;
class Sampler;
class Transform;
class Hook;
class Backend;
class Device;
class ImageDecoder;
class Task;
class Exporter;

/// The name of a registry, as messages and --list-modules show it.
template <class Kind>
inline constexpr const char* kind_name = nullptr;
template <>
inline constexpr const char* kind_name<Dataset> = "dataset";
template <>
inline constexpr const char* kind_name<Model> = "model";
template <>
inline constexpr const char* kind_name<Loss> = "loss";
template <>
inline constexpr const char* kind_name<Metric> = "metric";
template <>
inline constexpr const char* kind_name<Optimizer> = "optimizer";
template <>
inline constexpr const char* kind_name<LrScheduler> = "lr_scheduler";
template <>
inline constexpr const char* kind_name<Sampler> = "sampler";
template <>
inline constexpr const char* kind_name<Transform> = "transform";
template <>
inline constexpr const char* kind_name<Hook> = "hook";
template <>
inline constexpr const char* kind_name<Backend> = "backend";
template <>
inline constexpr const char* kind_name<Device> = "device";
template <>
inline constexpr const char* kind_name<ImageDecoder> = "image_decoder";
template <>
inline constexpr const char* kind_name<Task> = "task";
template <>
inline constexpr const char* kind_name<Exporter> = "exporter";

/// What a class is for where ailab-run wants a module that the configuration does not name. A class
/// says it by a public member:
///
///     static constexpr ailab::Role role = ailab::roles::logger;
///
/// That of a user's plugin takes the place of the built-in one.
struct Role {
    const char* name;
};

namespace roles {
/// Hooks that `ailab-run test` adds where no enabled hook has the role: lines in the log; metrics
/// that fit the data; what was predicted for each sample; a report.
inline constexpr Role logger{"logger"};
inline constexpr Role metrics{"metrics"};
inline constexpr Role predictions{"predictions"};
inline constexpr Role report{"report"};
/// A hook that shows how far the run is, for whom looks at it. --progress sets its option `mode`:
/// auto, bar, plain or off.
inline constexpr Role progress{"progress"};
/// Samplers that give every sample once an epoch: in a new order each, or in the data set's.
inline constexpr Role shuffled{"shuffled"};
inline constexpr Role sequential{"sequential"};
/// Tasks that are chosen where the configuration names none, by the loss's OutputKind:
/// class_scores; label_scores and label_probabilities; values.
inline constexpr Role classification{"classification"};
inline constexpr Role labels{"labels"};
inline constexpr Role regression{"regression"};
}  // namespace roles

struct IterationPoints;
template <class T>
constexpr IterationPoints overridden();

/// Whether T overrides a function of its kind. One that cannot be looked at from here (overloaded,
/// not public) counts as overridden.
#define AILAB_OVERRIDES_(T, Kind, function)                                            \
    [] {                                                                               \
        if constexpr (requires { &T::function; })                                      \
            return !std::is_same_v<decltype(&T::function), decltype(&Kind::function)>; \
        else                                                                           \
            return true;                                                               \
    }()

/// Whether T overrides the function that says that it offers something (whatever that returns) and
/// not the one that does it. Defined with the kinds where a class may say so.
template <class T>
constexpr bool offers_in_vain(const void*) {
    return false;
}

namespace plugin {

/// One registered class. Lives in the plugin for ever.
struct ModuleNode {
    const char* kind;
    const char* name;
    const char* doc;
    const char* file;
    int line;
    std::unique_ptr<OptionsHolder> (*make_options)();
    /// Returns a shared_ptr to the kind's base class (never to the derived one).
    std::shared_ptr<void> (*create)(OptionsHolder& options);
    const ModuleNode* next;
    const char* role = "";
};

/// Found by dlsym as `ailab_plugin_descriptor`. New fields go to the end; `size` tells which exist.
struct Descriptor {
    uint32_t size;
    const char* name;
    const char* version;
    const char* doc;
    const ModuleNode* const* modules;
    /// Called once before the process group ends; may be null.
    void (*shutdown)();
};

/// The head of this plugin's list: hidden, so that each .so has its own.
__attribute__((visibility("hidden"))) inline constinit const ModuleNode* module_list = nullptr;

struct __attribute__((visibility("hidden"))) Registration {
    explicit Registration(ModuleNode& node) noexcept {
        node.next = module_list;
        module_list = &node;
    }
};

template <class T>
concept HasOptions = requires {
    typename T::Options;
};

template <class T>
concept HasRole = requires {
    requires std::same_as<std::remove_cvref_t<decltype(T::role)>, Role>;
};

template <class T>
constexpr const char* role_of() {
    if constexpr (HasRole<T>)
        return T::role.name;
    else
        return "";
}

template <class Options>
concept Visitable = requires(Options& options, OptionVisitor& visitor) {
    options.visit(visitor);
};

/// Converts to any options: a T that can be made from it takes some, whether they are public or
/// not.
template <class T>
struct AnyOptions {
    template <class Options>
    requires(!std::derived_from<T, Options> && Visitable<Options>) operator Options() const;
};

/// Why a class cannot be registered; AILAB_REGISTER_ says it in words.
enum class Unfit {
    no,
    base,
    private_base,
    abstract,
    no_defaults,
    no_visit,
    no_constructor,
    private_options,
    no_way,
    in_vain
};

template <class Kind, class T>
constexpr Unfit unfit() {
    if constexpr (!std::is_base_of_v<Kind, T>) {
        return Unfit::base;
    } else if constexpr (!std::is_convertible_v<T*, Kind*>) {
        return Unfit::private_base;
    } else if constexpr (std::is_abstract_v<T>) {
        return Unfit::abstract;
    } else if constexpr (HasOptions<T>) {
        using Options = typename T::Options;
        if (!std::is_default_constructible_v<Options>) return Unfit::no_defaults;
        if (!Visitable<Options>) return Unfit::no_visit;
        if (!std::is_constructible_v<T, Options&>) return Unfit::no_constructor;
    } else {
        if (std::is_constructible_v<T, AnyOptions<T>>) return Unfit::private_options;
        if (!std::is_default_constructible_v<T>) return Unfit::no_way;
    }
    if (offers_in_vain<T>(static_cast<const Kind*>(nullptr))) return Unfit::in_vain;
    return Unfit::no;
}

template <class T>
std::unique_ptr<OptionsHolder> make_options() {
    if constexpr (!HasOptions<T>)
        return std::make_unique<OptionsOf<NoOptions>>();
    else if constexpr (std::is_default_constructible_v<typename T::Options> &&
                       Visitable<typename T::Options>)
        return std::make_unique<OptionsOf<typename T::Options>>();
    else
        return nullptr;  // does not compile: AILAB_REGISTER_ says why
}

template <class Kind, class T>
std::shared_ptr<void> create(OptionsHolder& options) {
    if constexpr (unfit<Kind, T>() == Unfit::no) {
        std::shared_ptr<Kind> made;
        if constexpr (HasOptions<T>)
            made = std::make_shared<T>(static_cast<OptionsOf<typename T::Options>&>(options).value);
        else
            made = std::make_shared<T>();
        if constexpr (std::is_same_v<Kind, Hook>) made->iteration_points = overridden<T>();
        return made;
    }
    return nullptr;  // does not compile: AILAB_REGISTER_ says why
}

}  // namespace plugin
}  // namespace ailab

#define AILAB_CONCAT_(a, b) a##b
#define AILAB_CONCAT(a, b) AILAB_CONCAT_(a, b)

#define AILAB_REFUSE_(Kind, Class, fault, text)                                                    \
    static_assert(::ailab::plugin::unfit<::ailab::Kind, Class>() != ::ailab::plugin::Unfit::fault, \
                  #Class " cannot be registered: " text);

#define AILAB_CHECK_CLASS_(Kind, Class)                                                         \
    AILAB_REFUSE_(Kind, Class, base, "it must derive from ailab::" #Kind)                       \
    AILAB_REFUSE_(Kind, Class, private_base,                                                    \
                  "it must derive in public: class " #Class " : public ailab::" #Kind)          \
    AILAB_REFUSE_(Kind, Class, abstract,                                                        \
                  "it is abstract; override all pure virtual functions of ailab::" #Kind)       \
    AILAB_REFUSE_(Kind, Class, no_defaults,                                                     \
                  "its Options must have defaults, so that Options() makes them")               \
    AILAB_REFUSE_(Kind, Class, no_visit,                                                        \
                  "its Options must have a public function void visit(ailab::OptionVisitor&)")  \
    AILAB_REFUSE_(Kind, Class, no_constructor,                                                  \
                  "it needs a public constructor explicit " #Class "(const Options&)")          \
    AILAB_REFUSE_(Kind, Class, private_options,                                                 \
                  "its Options are not public; write struct Options below public:")             \
    AILAB_REFUSE_(Kind, Class, no_way,                                                          \
                  "it needs a public struct Options and a public constructor " #Class           \
                  "(const Options&), or a public constructor without arguments")                \
    AILAB_REFUSE_(Kind, Class, in_vain,                                                         \
                  "it offers something whose function it does not override: owns_step() needs " \
                  "train_step(), has_batches() get_batch(), by_batch() apply_batch(), "         \
                  "needs_metric() and follows_values() observe()")

#define AILAB_REGISTER_(Kind, Class, name, doc, id)                                      \
    AILAB_CHECK_CLASS_(Kind, Class)                                                      \
    namespace {                                                                          \
    constinit ::ailab::plugin::ModuleNode AILAB_CONCAT(ailab_node_, id){                 \
        ::ailab::kind_name<::ailab::Kind>,                                               \
        name,                                                                            \
        doc,                                                                             \
        __FILE__,                                                                        \
        __LINE__,                                                                        \
        &::ailab::plugin::make_options<Class>,                                           \
        &::ailab::plugin::create<::ailab::Kind, Class>,                                  \
        nullptr,                                                                         \
        ::ailab::plugin::role_of<Class>()};                                              \
    const ::ailab::plugin::Registration AILAB_CONCAT(ailab_registration_,                \
                                                     id){AILAB_CONCAT(ailab_node_, id)}; \
    }

/// Registers a class under another name than its own: AILAB_REGISTER_AS(Model, Net, "my_net", "…").
#define AILAB_REGISTER_AS(Kind, Class, name, doc) \
    AILAB_REGISTER_(Kind, Class, name, doc, __COUNTER__)

#define AILAB_REGISTER_DATASET(Class, doc) AILAB_REGISTER_AS(Dataset, Class, #Class, doc)
#define AILAB_REGISTER_MODEL(Class, doc) AILAB_REGISTER_AS(Model, Class, #Class, doc)
#define AILAB_REGISTER_LOSS(Class, doc) AILAB_REGISTER_AS(Loss, Class, #Class, doc)
#define AILAB_REGISTER_METRIC(Class, doc) AILAB_REGISTER_AS(Metric, Class, #Class, doc)
#define AILAB_REGISTER_OPTIMIZER(Class, doc) AILAB_REGISTER_AS(Optimizer, Class, #Class, doc)
#define AILAB_REGISTER_LR_SCHEDULER(Class, doc) AILAB_REGISTER_AS(LrScheduler, Class, #Class, doc)
#define AILAB_REGISTER_SAMPLER(Class, doc) AILAB_REGISTER_AS(Sampler, Class, #Class, doc)
#define AILAB_REGISTER_TRANSFORM(Class, doc) AILAB_REGISTER_AS(Transform, Class, #Class, doc)
#define AILAB_REGISTER_HOOK(Class, doc) AILAB_REGISTER_AS(Hook, Class, #Class, doc)
#define AILAB_REGISTER_BACKEND(Class, doc) AILAB_REGISTER_AS(Backend, Class, #Class, doc)
#define AILAB_REGISTER_DEVICE(Class, doc) AILAB_REGISTER_AS(Device, Class, #Class, doc)
#define AILAB_REGISTER_IMAGE_DECODER(Class, name, doc) \
    AILAB_REGISTER_AS(ImageDecoder, Class, name, doc)
#define AILAB_REGISTER_TASK(Class, doc) AILAB_REGISTER_AS(Task, Class, #Class, doc)
/// `name` is what stands behind --to.
#define AILAB_REGISTER_EXPORTER(Class, name, doc) AILAB_REGISTER_AS(Exporter, Class, name, doc)

/// Once a plugin, in one .cpp, at namespace scope.
#define AILAB_PLUGIN(name, version, doc) AILAB_PLUGIN_WITH_SHUTDOWN(name, version, doc, nullptr)

/// The same with a function `void f()` that is called before the process group ends.
#define AILAB_PLUGIN_WITH_SHUTDOWN(name, version, doc, shutdown)                    \
    extern "C" __attribute__((visibility("default"), section("ailab_abi")))         \
    const ::ailab::plugin::Stamp ailab_stamp;                                       \
    extern "C" __attribute__((used)) constexpr ::ailab::plugin::Stamp ailab_stamp = \
        ::ailab::plugin::make_stamp();                                              \
    extern "C" __attribute__((visibility("default"), used))                         \
    const ::ailab::plugin::Descriptor ailab_plugin_descriptor = {                   \
        sizeof(::ailab::plugin::Descriptor), name,    version, doc,                 \
        &::ailab::plugin::module_list,       shutdown};
