"""Classes that cannot be registered: what the compilers say is one line that tells what to write."""
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


class CompileErrors(InFolder):
    def compile(self, compiler, body):
        source = self.write("mine.cpp", HEAD + body + TAIL)
        return subprocess.run([compiler, "-std=c++20", "-fsyntax-only", *INCLUDES, source],
                              capture_output=True, text=True, timeout=60)

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


if __name__ == "__main__":
    unittest.main()
