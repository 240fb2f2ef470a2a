#include "pickle.hpp"

#include <array>
#include <bit>
#include <cstdio>
#include <span>
#include <unordered_map>

#include "ailab/error.hpp"

namespace ailab {
namespace {

/// What pickle protocols 2 to 5 are made of. Left out, and refused: the text forms of protocol 0,
/// the extension registry, and buffers outside of the pickle.
enum class Op : uint8_t {
    mark = '(',
    stop = '.',
    pop = '0',
    pop_mark = '1',
    dup = '2',
    binfloat = 'G',
    binint = 'J',
    binint1 = 'K',
    binint2 = 'M',
    none = 'N',
    binpersid = 'Q',
    reduce = 'R',
    binstring = 'T',
    short_binstring = 'U',
    binunicode = 'X',
    append = 'a',
    build = 'b',
    global = 'c',
    dict = 'd',
    empty_dict = '}',
    appends = 'e',
    binget = 'h',
    long_binget = 'j',
    list = 'l',
    empty_list = ']',
    binput = 'q',
    long_binput = 'r',
    setitem = 's',
    tuple = 't',
    empty_tuple = ')',
    setitems = 'u',
    proto = 0x80,
    newobj = 0x81,
    tuple1 = 0x85,
    tuple2 = 0x86,
    tuple3 = 0x87,
    newtrue = 0x88,
    newfalse = 0x89,
    long1 = 0x8a,
    long4 = 0x8b,
    binbytes = 'B',
    short_binbytes = 'C',
    short_binunicode = 0x8c,
    binunicode8 = 0x8d,
    binbytes8 = 0x8e,
    empty_set = 0x8f,
    additems = 0x90,
    frozenset = 0x91,
    newobj_ex = 0x92,
    stack_global = 0x93,
    memoize = 0x94,
    frame = 0x95,
    bytearray8 = 0x96,
};

constexpr int min_protocol = 2;
constexpr int max_protocol = 5;
constexpr size_t max_name = 4096;
/// What a table spends on an entry beside its contents.
constexpr uint64_t memo_overhead = 48;

class Unpickler {
  public:
    Unpickler(ByteReader& bytes, uint64_t max_memory) : in_(bytes), budget_(max_memory) {}

    PickleGraph run() {
        const uint64_t begin = in_.position();
        try {
            if (Op(in_.byte()) != Op::proto) throw Error("it does not begin like a pickle");
            read_protocol();
            while (execute(Op(in_.byte()))) continue;
        } catch (const Error& error) {
            throw Error(concat("the pickle cannot be read, at its byte ", in_.position() - begin,
                               ": ", error.what()));
        }
        return std::move(graph_);
    }

  private:
    using Refs = std::vector<PickleRef>;

    void charge(uint64_t bytes) {
        if (bytes > budget_) throw Error("it holds more than this reader takes");
        budget_ -= bytes;
    }

    void read_protocol() {
        const int protocol = in_.byte();
        if (protocol < min_protocol || protocol > max_protocol)
            throw Error(concat("its protocol is ", protocol, "; ", min_protocol, " to ",
                               max_protocol, " are known"));
    }

    // The stack. It is flat, and so are the values: no nesting costs any recursion.

    template <class T>
    void push(T value) {
        charge(sizeof(PickleValue) + sizeof(PickleValue*));
        stack_.push_back(&graph_.values.emplace_back(PickleValue{std::move(value)}));
    }
    size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
    PickleValue& top() {
        if (stack_.size() <= floor()) throw Error("it takes a value that is not there");
        return *stack_.back();
    }
    PickleRef pop() {
        const PickleRef value = &top();
        stack_.pop_back();
        return value;
    }
    /// The values above the last mark; they and the mark go.
    Refs pop_to_mark() {
        if (marks_.empty()) throw Error("it takes a mark that is not there");
        Refs values(stack_.begin() + ptrdiff_t(marks_.back()), stack_.end());
        charge(values.size() * sizeof(PickleRef));
        stack_.resize(marks_.back());
        marks_.pop_back();
        return values;
    }
    template <size_t count>
    void push_tuple() {
        PickleList tuple;
        tuple.items.resize(count);
        for (size_t i = count; i > 0; --i) tuple.items[i - 1] = pop();
        charge(count * sizeof(PickleRef));
        push(std::move(tuple));
    }
    void push_call(PickleRef function, PickleRef arguments) {
        charge(sizeof(PickleCall));
        push(std::make_unique<PickleCall>(PickleCall{function, arguments, {}, {}, {}}));
    }

    // The memo.

    void remember(uint64_t index) {
        if (memo_.insert_or_assign(index, &top()).second) charge(memo_overhead);
    }
    void recall(uint64_t index) {
        const auto found = memo_.find(index);
        if (found == memo_.end()) throw Error(concat("it has no memo ", index));
        charge(sizeof(PickleValue*));
        stack_.push_back(found->second);
    }

    // Bytes that follow an instruction.

    std::string take(uint64_t count) {
        if (count <= in_.left()) charge(count);  // otherwise it is cut short, which says more
        return in_.take(count);
    }
    void push_long(uint64_t size) {
        std::string bytes = take(size);
        if (size > sizeof(int64_t)) return push(PickleBigInt{std::move(bytes)});
        const bool negative = size > 0 && (uint8_t(bytes.back()) & 0x80);
        uint64_t value = negative ? ~uint64_t(0) : 0;
        for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | uint8_t(bytes[i - 1]);
        push(int64_t(value));
    }
    void push_double() {
        uint64_t bits = 0;  // the only number of a pickle that is big-endian
        for (size_t i = 0; i < sizeof bits; ++i) bits = bits << 8 | in_.byte();
        push(std::bit_cast<double>(bits));
    }
    void push_global(const std::string& module, const std::string& name) {
        charge(module.size() + name.size());
        push(PickleGlobal{module + "." + name});
    }
    const std::string& name_on_stack() {
        const auto* text = pop()->get<std::string>();
        if (!text || text->size() > max_name) throw Error("the name of a class is no short text");
        return *text;
    }

    // Adding to containers that have been made.

    PickleEntries& entries_of(PickleValue& value) {
        if (auto* dict = std::get_if<PickleDict>(&value.value)) return dict->entries;
        if (auto* call = std::get_if<std::unique_ptr<PickleCall>>(&value.value))
            return (*call)->entries;
        throw Error("it sets items of a value that is no dict");
    }
    Refs& items_of(PickleValue& value) {
        if (auto* list = std::get_if<PickleList>(&value.value)) return list->items;
        if (auto* call = std::get_if<std::unique_ptr<PickleCall>>(&value.value))
            return (*call)->items;
        throw Error("it appends to a value that is no list");
    }
    void add_entries(PickleValue& to, std::span<const PickleRef> keys_and_values) {
        if (keys_and_values.size() % 2 != 0) throw Error("a dict has a key without a value");
        PickleEntries& entries = entries_of(to);
        charge(keys_and_values.size() * sizeof(PickleRef));
        for (size_t i = 0; i < keys_and_values.size(); i += 2)
            entries.emplace_back(keys_and_values[i], keys_and_values[i + 1]);
    }
    void add_items(PickleValue& to, std::span<const PickleRef> added) {
        Refs& items = items_of(to);
        charge(added.size() * sizeof(PickleRef));
        items.insert(items.end(), added.begin(), added.end());
    }

    void set_state() {
        const PickleRef state = pop();
        auto* call = std::get_if<std::unique_ptr<PickleCall>>(&top().value);
        if (!call) throw Error("it sets the state of a value that is no object");
        (*call)->state = state;
    }

    /// False at the end.
    bool execute(Op op) {
        switch (op) {
            case Op::proto:
                read_protocol();
                break;
            case Op::frame:  // says how many bytes may be read at once
                in_.number<uint64_t>();
                break;
            case Op::stop:
                graph_.root = pop();
                return false;
            case Op::mark:
                charge(sizeof(size_t));
                marks_.push_back(stack_.size());
                break;
            case Op::pop:
                // After a mark and nothing else, Python drops the mark.
                if (!marks_.empty() && stack_.size() == marks_.back())
                    marks_.pop_back();
                else
                    pop();
                break;
            case Op::pop_mark:
                pop_to_mark();
                break;
            case Op::dup:
                charge(sizeof(PickleValue*));
                stack_.push_back(&top());
                break;

            case Op::none:
                push(PickleNone());
                break;
            case Op::newtrue:
                push(true);
                break;
            case Op::newfalse:
                push(false);
                break;
            case Op::binint:
                push(int64_t(in_.number<int32_t>()));
                break;
            case Op::binint1:
                push(int64_t(in_.byte()));
                break;
            case Op::binint2:
                push(int64_t(in_.number<uint16_t>()));
                break;
            case Op::long1:
                push_long(in_.byte());
                break;
            case Op::long4: {
                const int32_t size = in_.number<int32_t>();
                if (size < 0) throw Error(concat("an integer has ", size, " bytes"));
                push_long(uint64_t(size));
                break;
            }
            case Op::binfloat:
                push_double();
                break;

            case Op::short_binstring:  // Python 2's texts
            case Op::short_binunicode:
                push(take(in_.byte()));
                break;
            case Op::binstring:
            case Op::binunicode:
                push(take(in_.number<uint32_t>()));
                break;
            case Op::binunicode8:
                push(take(in_.number<uint64_t>()));
                break;
            case Op::short_binbytes:
                push(PickleBytes{take(in_.byte())});
                break;
            case Op::binbytes:
                push(PickleBytes{take(in_.number<uint32_t>())});
                break;
            case Op::binbytes8:
            case Op::bytearray8:
                push(PickleBytes{take(in_.number<uint64_t>())});
                break;

            case Op::empty_tuple:
            case Op::empty_list:
            case Op::empty_set:
                push(PickleList());
                break;
            case Op::tuple1:
                push_tuple<1>();
                break;
            case Op::tuple2:
                push_tuple<2>();
                break;
            case Op::tuple3:
                push_tuple<3>();
                break;
            case Op::tuple:
            case Op::list:
            case Op::frozenset:
                push(PickleList{pop_to_mark()});
                break;
            case Op::empty_dict:
                push(PickleDict());
                break;
            case Op::dict: {
                const Refs entries = pop_to_mark();
                push(PickleDict());
                add_entries(top(), entries);
                break;
            }
            case Op::append: {
                const PickleRef item = pop();
                add_items(top(), std::array{item});
                break;
            }
            case Op::appends:
            case Op::additems: {
                const Refs items = pop_to_mark();
                add_items(top(), items);
                break;
            }
            case Op::setitem: {
                const PickleRef value = pop();
                const PickleRef key = pop();
                add_entries(top(), std::array{key, value});
                break;
            }
            case Op::setitems: {
                const Refs entries = pop_to_mark();
                add_entries(top(), entries);
                break;
            }

            case Op::binput:
                remember(in_.byte());
                break;
            case Op::long_binput:
                remember(in_.number<uint32_t>());
                break;
            case Op::memoize:
                remember(memo_.size());
                break;
            case Op::binget:
                recall(in_.byte());
                break;
            case Op::long_binget:
                recall(in_.number<uint32_t>());
                break;

            case Op::global: {
                const std::string module = in_.line(max_name);
                push_global(module, in_.line(max_name));
                break;
            }
            case Op::stack_global: {
                const std::string& name = name_on_stack();
                push_global(name_on_stack(), name);
                break;
            }
            case Op::newobj:
            case Op::reduce: {
                const PickleRef arguments = pop();
                push_call(pop(), arguments);
                break;
            }
            case Op::newobj_ex: {
                pop();  // named arguments: only of objects that stay unknown here
                const PickleRef arguments = pop();
                push_call(pop(), arguments);
                break;
            }
            case Op::build:
                set_state();
                break;
            case Op::binpersid:
                push(PicklePersistent{pop()});
                break;

            default: {
                char code[8];
                std::snprintf(code, sizeof code, "0x%02x", unsigned(op));
                throw Error(concat("unknown instruction ", code));
            }
        }
        return true;
    }

    ByteReader& in_;
    uint64_t budget_;
    PickleGraph graph_;
    std::vector<PickleValue*> stack_;
    std::vector<size_t> marks_;
    std::unordered_map<uint64_t, PickleValue*> memo_;
};

}  // namespace

PickleGraph read_pickle(ByteReader& bytes, uint64_t max_memory) {
    return Unpickler(bytes, max_memory).run();
}

}  // namespace ailab
