#include "ailab/datasets/record_source.hpp"
#include "config/json_parser.hpp"

namespace ailab {

namespace {

constexpr std::string_view json_blanks = " \t\r\n";

/// Where the entries of a JSON list stand in its text, which begins with "[" and blanks before it.
/// What the entries themselves are is not looked at.
class ListScanner {
  public:
    ListScanner(std::string_view text, std::string source)
        : text_(text), source_(std::make_shared<const std::string>(std::move(source))) {}

    /// Calls `take(begin, end, line)` for each entry. Throws ConfigError.
    template <class Take>
    void scan(const Take& take) {
        skip_blanks();
        const int first = line_;
        ++at_;  // the "["
        skip_blanks();
        if (peek() == ']') return end();
        for (;;) {
            skip_blanks();
            const size_t begin = at_;
            const int line = line_;
            const size_t last = skip_entry(first);
            if (last == begin) refuse(line, "there is no entry before this comma or bracket");
            take(begin, last, line);
            if (text_[at_++] == ']') return end();
        }
    }

  private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void step() {
        const bool ends_line = text_[at_] == '\n' || (text_[at_] == '\r' && !is_at('\n', at_ + 1));
        line_ += ends_line ? 1 : 0;
        ++at_;
    }
    bool is_at(char c, size_t at) const { return at < text_.size() && text_[at] == c; }

    void skip_blanks() {
        while (at_ < text_.size() && json_blanks.find(text_[at_]) != json_blanks.npos) step();
    }

    /// To the comma or bracket behind it. Gives the end of the entry without blanks.
    size_t skip_entry(int first_line) {
        int depth = 0;
        bool in_string = false;
        size_t last = at_;
        for (; at_ < text_.size(); step()) {
            const char c = text_[at_];
            if (in_string) {
                if (c == '\\' && at_ + 1 < text_.size()) step();
                if (c == '"') in_string = false;
            } else if (c == '"') {
                in_string = true;
            } else if (depth == 0 && (c == ',' || c == ']')) {
                return last;
            } else if (c == '{' || c == '[') {
                ++depth;
            } else if (c == '}' || c == ']') {
                --depth;
            }
            if (json_blanks.find(c) == json_blanks.npos) last = at_ + 1;
        }
        refuse(first_line, "the list that begins here is not closed");
    }

    void end() {
        if (peek() == ']') ++at_;
        skip_blanks();
        if (at_ < text_.size()) refuse(line_, "there is more behind the end of the list");
    }

    [[noreturn]] void refuse(int line, const std::string& what) const {
        throw ConfigError({{{source_, line, 0}, what}});
    }

    const std::string_view text_;
    const std::shared_ptr<const std::string> source_;
    size_t at_ = 0;
    int line_ = 1;
};

}  // namespace

void JsonLines::Options::visit(OptionVisitor& v) {
    v.required("annotation_file", annotation_file,
               "a JSON object a line, or (unless it is called .jsonl) a list of objects");
}

JsonLines::JsonLines(const Options& options) : LineFile(options.annotation_file) {
    const std::string_view all = file_text();
    const size_t mark = all.starts_with("\xef\xbb\xbf") ? 3 : 0;
    const std::string_view text = all.substr(mark);
    const size_t first = text.find_first_not_of(json_blanks);
    is_list_ =
        first != text.npos && text[first] == '[' && !options.annotation_file.ends_with(".jsonl");
    if (is_list_) {
        std::vector<Extent> entries;
        ListScanner(text, options.annotation_file).scan([&](size_t begin, size_t end, int line) {
            entries.push_back({mark + begin, end - begin, uint64_t(line)});
        });
        replace_lines(entries);
    }
    const std::vector<std::string> none;
    check_lines([&](int64_t index) { read(index, &none); });
}

Record JsonLines::record(int64_t index) const {
    return read(index, nullptr);
}

Record JsonLines::part(int64_t index, const std::vector<std::string>& keys) const {
    return read(index, &keys);
}

Record JsonLines::read(int64_t index, const std::vector<std::string>* keys) const {
    const Place place = node_place(index);
    const std::string text = line(index);
    Node values;
    try {
        values = parse_json(text, {.all_numbers = true, .keys = keys}, place);
    } catch (const JsonProblem& error) {
        const auto [line, column] = line_and_column(text, error.byte());
        throw BrokenSample({place.source, place.line + line - 1, column},
                           concat("this is no valid JSON: ", error.what(),
                                  is_list_ ? "" : ". Each line is a JSON object"));
    } catch (const Error& error) {
        // It begins with its place, as BrokenSample will.
        throw BrokenSample(place, std::string(error.what()).substr(place.str().size() + 2));
    }
    if (!values.is_map())
        throw BrokenSample(place, concat(is_list_ ? "an entry" : "a line",
                                         " must be a JSON object, got ", values.describe()));
    return Record(std::move(values));
}

}  // namespace ailab
