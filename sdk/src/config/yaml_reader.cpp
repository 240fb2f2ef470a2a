#include "yaml_reader.hpp"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "tree_builder.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

constexpr size_t max_bytes = 4 << 20;

std::string advice(const std::string& complaint, const std::string& line) {
    const auto says = [&](const char* part) { return complaint.find(part) != std::string::npos; };
    if (line.find('\t') != std::string::npos) return " Indent with spaces, not with tabs.";
    const size_t variable = line.find("${");
    if (variable != std::string::npos && line.find_first_of("{[") < variable)
        return " Inside of { } and [ ] put a value with ${…} in quotes.";
    if (says("anchor")) return " Write &name where the value stands, before *name.";
    if (says("EOF in scalar")) return " A quote that was opened before is never closed.";
    if (says("flow not found")) return " Close every { and [.";
    if (says("illegal map value"))
        return " Indent the keys of a map alike, and put a value with \": \" in quotes.";
    return " Check the brackets, quotes and indentation here and in the lines before.";
}

}  // namespace

Node read_yaml(const std::string& given, const std::string& source, Problems& problems) {
    const bool has_mark = given.compare(0, 3, "\xEF\xBB\xBF") == 0;
    const std::string text = has_mark ? given.substr(3) : given;
    const auto source_name = std::make_shared<const std::string>(source);
    if (text.size() > max_bytes) {
        problems.add({source_name, 0, 0}, concat("is ", text.size(),
                                                 " bytes long; a configuration "
                                                 "has at most ",
                                                 max_bytes, ". Is it the right file?"));
        return Node();
    }
    if (const size_t bad = find_bad_byte(text); bad != std::string::npos) {
        const size_t line_begin = text.rfind('\n', bad) + 1;
        const auto line = std::count(text.begin(), text.begin() + long(bad), '\n') + 1;
        const size_t column =
            count_characters(std::string_view(text).substr(line_begin, bad - line_begin)) + 1;
        problems.add(
            {source_name, int(line), int(column)},
            concat("the byte ", int(static_cast<unsigned char>(text[bad])),
                   " is neither text in UTF-8 nor allowed in YAML. Save the file as UTF-8."));
        return Node();
    }

    TreeBuilder builder(text, source, problems);
    // Without a last line yaml-cpp lets the end of the file close an open quote.
    std::istringstream stream(text + "\n# the end");
    try {
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder) && builder.documents() < 2) {
        }
    } catch (const DocumentTooLarge& error) {
        problems.add(error.place, error.text);
    } catch (const YAML::Exception& error) {
        problems.add(builder.place(error.mark),
                     concat("this is no valid YAML: ", error.msg, ".",
                            advice(error.msg, builder.line(error.mark))));
    }
    return builder.take();
}

}  // namespace ailab
