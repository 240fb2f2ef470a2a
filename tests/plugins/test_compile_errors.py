"""Classes that cannot be registered and options that cannot be: what the compilers say is one line that tells
what to write."""
import os
import subprocess
import unittest

from running import InFolder

INCLUDES = [f"-I{folder}" for folder in os.environ["INCLUDES"].split(":") if folder]
COMPILERS = ["clang++", "g++"]

HEAD = """#include "ailab/sampler.hpp"
struct Whole : public ailab::Sampler {
    std::vector<int64_t> order(const ailab::Dataset&, uint64_t, int64_t) const override { return {}; }
    int64_t size(const ailab::Dataset&) const override { return 0; }
};
"""
VISIT = "void visit(ailab::OptionVisitor& v) { v.option(\"stride\", stride, \"step\"); }"
OPTIONS = f"struct Options {{ int64_t stride = 1; {VISIT} }};"
TAIL = """
AILAB_PLUGIN("fixture", "1.0", "For the compiler alone")
AILAB_REGISTER_SAMPLER(Mine, "A sampler")
"""

ACCEPTED = {
    "no options": "struct Mine : Whole {};",
    "public options": f"struct Mine : Whole {{ {OPTIONS} explicit Mine(const Options&) {{}} }};",
    "options by value": f"struct Mine : Whole {{ {OPTIONS} explicit Mine(Options) {{}} }};",
    "its base's options": f"struct Base : Whole {{ {OPTIONS} explicit Base(const Options&) {{}} }};"
                          "class Mine final : public Base { public: using Base::Base; };",
    "no options, another constructor": "struct Mine : Whole { Mine() {} explicit Mine(int64_t, double = 0) {} };",
    "a constructor with a default": "struct Mine final : Whole { explicit Mine(std::string name = {}) {} };",
}

HIDDEN = "its Options are not public; write struct Options below public:"
REFUSED = [
    ("private options", f"class Mine : public Whole {{ {OPTIONS} public: explicit Mine(const Options&) {{}} }};", HIDDEN),
    ("private options, by value", f"class Mine final : public Whole {{ {OPTIONS} public: Mine(Options) {{}} }};", HIDDEN),
    ("private options, and another constructor",
     f"class Mine : public Whole {{ {OPTIONS} public: Mine() {{}} explicit Mine(const Options&) {{}} }};", HIDDEN),
    ("all private", f"class Mine : public Whole {{ {OPTIONS} explicit Mine(const Options&) {{}} }};",
     "it needs a public struct Options and a public constructor Mine(const Options&), or a public constructor without "
     "arguments"),
    ("no way to make it", "struct Mine : Whole { explicit Mine(int64_t) {} };", "it needs a public struct Options and a public constructor Mine(const Options&), or a public constructor without "
     "arguments"),
    ("not from its options", f"struct Mine : Whole {{ {OPTIONS} Mine() {{}} }};",
     "it needs a public constructor explicit Mine(const Options&)"),
    ("options without defaults",
     f"struct Mine : Whole {{ struct Options {{ int64_t stride; Options(int64_t s) : stride(s) {{}} {VISIT} }};"
     " explicit Mine(const Options&) {} };", "its Options must have defaults"),
    ("options that list nothing", "struct Mine : Whole { struct Options { int64_t stride = 1; };"
     " explicit Mine(const Options&) {} };", "its Options must have a public function void visit(ailab::OptionVisitor&)"),
    ("a function is missing", "struct Mine : ailab::Sampler {"
     " int64_t size(const ailab::Dataset&) const override { return 0; } };", "it is abstract; override all pure virtual functions of ailab::Sampler"),
    ("a private base", "class Mine : Whole { public: Mine() {} };", "it must derive in public: class Mine : public ailab::Sampler"),
    ("no base", "struct Mine {};", "it must derive from ailab::Sampler"),
]


# An option of a type that none may have, by itself and within others.
NO_OPTIONS = {"float": "float part = 1;", "list of float": "std::vector<float> part;",
              "perhaps float": "std::optional<float> part;",
              "map of long double": "std::map<std::string, long double> part;"}

# Of a data set the base has much more to say. The mistakes that plugins' authors make most.
STORED = """#include "ailab/datasets/record_source.hpp"
#include "ailab/datasets/task.hpp"
#include "ailab/dataset.hpp"
#include "ailab/registry.hpp"
using ailab::Classification, ailab::CsvTable, ailab::StoredDataset;
using Base = StoredDataset<CsvTable, Classification>;
struct Abstract : Base { explicit Abstract(const Options& options) : StoredDataset(options) {} };
struct Made : Base {
    explicit Made(const Options& options) : StoredDataset(options) {}
    Classification make(const ailab::Record&, const ailab::SampleContext&) const override { return {}; }
};
struct Unasked : Made { Unasked() : Made(Options()) {} };
struct Unseen : Made { struct Options { std::string root; }; explicit Unseen(const Options&) : Made({}) {} };
struct Unkept : Made { using Made::Made; bool has_batches() const override { return true; } };
struct Kept : Unkept {
    using Unkept::Unkept;
    void get_batch(std::span<const int64_t>, const ailab::SampleContext&, ailab::Batch&) const override {}
};
AILAB_PLUGIN("fixture", "1.0", "For the compiler alone")
AILAB_REGISTER_DATASET(Abstract, "Lacks make()")
AILAB_REGISTER_DATASET(Unasked, "Its constructor takes no options")
AILAB_REGISTER_DATASET(Unseen, "Its options have no visit()")
AILAB_REGISTER_DATASET(Unkept, "Offers whole batches, and does not make them")
AILAB_REGISTER_DATASET(Kept, "Makes them")
"""
MISTAKES = ["Abstract cannot be registered: it is abstract; override all pure virtual functions of ailab::Dataset",
            "Unasked cannot be registered: it needs a public constructor explicit Unasked(const Options&)",
            "Unseen cannot be registered: its Options must have a public function void visit(ailab::OptionVisitor&)",
            "Unkept cannot be registered: it offers something whose function it does not override: owns_step() "
            "needs train_step(), has_batches() get_batch()"]


class CompileErrors(InFolder):
    def compile(self, compiler, body):
        return self.compile_file(compiler, HEAD + body + TAIL)

    def compile_file(self, compiler, text):
        source = self.write("mine.cpp", text)
        return subprocess.run([compiler, "-std=c++20", "-fsyntax-only", *INCLUDES, source],
                              capture_output=True, text=True, timeout=120)

    def test_accepted(self):
        for compiler in COMPILERS:
            for name, body in ACCEPTED.items():
                with self.subTest(f"{compiler}, {name}"):
                    self.assertEqual(self.compile(compiler, body).stderr, "")

    def test_refused(self):
        for compiler in COMPILERS:
            for name, body, text in REFUSED:
                with self.subTest(f"{compiler}, {name}"):
                    said = self.compile(compiler, body).stderr
                    errors = [line for line in said.splitlines() if " error: " in line]
                    self.assertEqual(len(errors), 1, said)
                    self.assertRegex(said, r"mine\.cpp:\d+:", "the place is the user's")
                    self.assertIn("Mine cannot be registered: " + text, errors[0])
                    self.assertNotIn("template", said, "macros, but no templates, lie between")
                    self.assertLess(len(said.splitlines()), 30, said)

    def test_options_of_other_types(self):
        for compiler in COMPILERS:
            for name, member in NO_OPTIONS.items():
                with self.subTest(f"{compiler}, {name}"):
                    options = (f"struct Options {{ {member} void visit(ailab::OptionVisitor& v) "
                               "{ v.option(\"part\", part, \"doc\"); } };")
                    said = self.compile(compiler,
                                        f"struct Mine : Whole {{ {options} explicit Mine(const Options&) {{}} }};").stderr
                    errors = [line for line in said.splitlines() if " error: " in line]
                    self.assertEqual(len(errors), 1, said)
                    self.assertIn("an option may be a bool, int, int64_t, double (not float), std::string", errors[0])
                    self.assertRegex(said, r"mine\.cpp:\d+:", "it leads to the user's option")

    def test_mistakes_of_a_data_set(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                said = self.compile_file(compiler, STORED).stderr
                errors = [line for line in said.splitlines() if " error: " in line]
                self.assertEqual(len(errors), len(MISTAKES), said)
                for error, mistake in zip(errors, MISTAKES):
                    self.assertIn(mistake, error)
                self.assertLess(len(said.splitlines()), 30 * len(MISTAKES), said)


if __name__ == "__main__":
    unittest.main()
