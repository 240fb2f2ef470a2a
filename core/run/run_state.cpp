#include "run_state.hpp"

#include <concepts>

#include "work_dir/state_reader.hpp"

namespace ailab {

namespace {

constexpr Phase phases[] = {Phase::train, Phase::val, Phase::test};

/// The keys, for saving and for loading.
template <class State, class Visitor>
void visit_keys(State& state, Visitor& v) {
    v("seed", state.seed);
    v("trained_epoch", state.trained_epoch);
    v("train_seconds", state.train_seconds);
    v("train_samples", state.train_samples);
    v("results", state.results);
    // Not in checkpoints of earlier builds.
    v.optional("loss_unit", state.loss_unit);
    v.optional("evaluated", state.evaluated);
}

template <class Data, class Visitor>
void visit_data_keys(Data& data, Visitor& v) {
    v("data_epoch", data.epoch);
    v("data_samples_dealt", data.samples_assigned);
    v("data_samples", data.samples);
    v("global_batch_size", data.global_batch_size);
    if (v.has("data_batches", data.batches >= 0)) {
        v("data_batches_dealt", data.batches_assigned);
        v("data_batches", data.batches);
    }
}

class Writer {
  public:
    explicit Writer(Node& values) : values_(values) {}

    template <class Value>
    void operator()(const char* key, const Value& value) {
        values_.set(key, node_of(value));
    }
    template <class Value>
    void optional(const char* key, const Value& value) {
        (*this)(key, value);
    }
    /// Whether to write a key, or if it was written.
    static bool has(const char*, bool wanted) { return wanted; }

  private:
    template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
    static Node node_of(Number value) { return Node(value); }
    static Node node_of(const Results& results) {
        Node::List list;
        for (const auto& [name, value] : results)
            list.push_back(Node::list({Node::string(name), Node(value)}));
        return Node::list(std::move(list));
    }
    template <class Value>
    static Node node_of(const std::map<Phase, Value>& by_phase) {
        Node node = Node::map();
        for (const auto& [phase, value] : by_phase) node.set(phase_name(phase), node_of(value));
        return node;
    }

    Node& values_;
};

class Reader {
  public:
    explicit Reader(const Node& values) : values_(values) {}

    void operator()(const char* key, int64_t& value) { value = values_.integer(key); }
    void operator()(const char* key, double& value) { value = values_.number(key); }
    template <class Value>
    void operator()(const char* key, std::map<Phase, Value>& by_phase) {
        const Node& node = values_.at(key);
        for (const Phase phase : phases)
            if (const Node* found = node.find(phase_name(phase))) take(*found, by_phase[phase]);
    }
    template <class Value>
    void optional(const char* key, Value& value) {
        if (values_.find(key)) (*this)(key, value);
    }
    bool has(const char* key, bool) const { return values_.find(key); }

  private:
    static void take(const Node& node, int64_t& value) { value = node.as_int(); }
    static void take(const Node& node, Results& results) {
        for (const Node& entry : node.items())
            results.emplace_back(entry.items().at(0).as_string(), entry.items().at(1).as_float());
    }

    const StateReader values_;
};

}  // namespace

void RunState::save(Node& values) const {
    Writer writer(values);
    visit_keys(*this, writer);
    if (data) visit_data_keys(*data, writer);
}

RunState RunState::load(const Node& values) {
    RunState state;
    Reader reader(values);
    visit_keys(state, reader);
    if (values.find("data_epoch")) visit_data_keys(state.data.emplace(), reader);
    return state;
}

}  // namespace ailab
