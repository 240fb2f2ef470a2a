"""The digest of the SDK's headers, by which a plugin that was built against others is refused."""
import os
import unittest

from running import SOURCE, InFolder, run

CODE = """#pragma once
#define LOUD(text) say(text, \\
                       "!")
/// Says it, "loudly".
inline int f(int64_t most = 1'000) {
    const char* url = "http://x /* y */ // z";
    return '"' + '/' / most;  // the ' and " of this
}
"""
# What has another meaning to the compiler, or may have.
OTHER = {
    "a name": ("int f(", "int g("), "a value": ("1'000", "1'001"), "a text": ("// z", "// a"),
    "a comment's signs within a text": ("/* y */", "/* b */"), "a character": ("'/' /", "'*' /"),
    "a type": ("const char*", "char*"), "a macro": ('"!"', '"?"'), "two words for one": ("return ", "re turn "),
    "one word for two": ("inline int", "inlineint"), "a directive's end": ("#pragma once\n#", "#pragma once #"),
    "code that is a comment now": ("    return", "    // return"),
}
# What has not.
SAME = {
    "a comment": ('/// Says it, "loudly".', "/// Doesn't say it."), "no comment": ('/// Says it, "loudly".\n', ""),
    "a comment in a line": ("inline int f(", "inline /* it's \"one */ int f("),
    "a comment of several lines": ("inline int f(", "/* one;\n * [two] **/\ninline int f("),
    "a comment at the end": ("the ' and \" of this", "a \\ or [; it's"),
    "another indent": ("    return", "  return"), "another break of lines": ("int f(int64_t", "int\nf(\n    int64_t"),
    "an empty line": ("    const", "\n    const"), "a line that goes on elsewhere": ("say(text, \\\n", "say(text,   \\\n\\\n"),
    "a comment behind a directive": ("#pragma once", "#pragma once  // it's \"guarded\""),
    "ends of lines": ("\n", "\r\n"),
}


class AbiDigest(InFolder):
    def digest(self, *texts):
        files = [self.write(f"{i}.hpp", text) for i, text in enumerate(texts)]
        script = self.write("digest.cmake", f"include({SOURCE}/sdk/cmake/AilabAbiDigest.cmake)\n"
                                            f"ailab_abi_digest(digest {' '.join(files)})\nmessage(${{digest}})\n")
        result = run("-P", script, program="cmake")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, r"^[0-9a-f]{64}\n$")
        return result.stderr

    def changed(self, change):
        self.assertIn(change[0], CODE)
        return self.digest(CODE.replace(*change))

    def test_another_meaning_is_another_digest(self):
        usual = self.digest(CODE)
        for name, change in OTHER.items():
            with self.subTest(name):
                self.assertNotEqual(self.changed(change), usual)

    def test_comments_and_white_space_leave_it(self):
        usual = self.digest(CODE)
        for name, change in SAME.items():
            with self.subTest(name):
                self.assertEqual(self.changed(change), usual)

    def test_each_header_counts(self):
        self.assertNotEqual(self.digest(CODE, "int a;"), self.digest(CODE))
        self.assertNotEqual(self.digest(CODE, "int a;"), self.digest(CODE, "int b;"))

    def test_it_is_the_builds(self):
        with open(os.path.join(os.environ["AILAB_BUILD"], "include/ailab/abi_digest.hpp")) as file:
            text = file.read()
        folder = os.path.join(SOURCE, "sdk/include/ailab")
        headers = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
                         if name.endswith(".hpp"))
        script = self.write("digest.cmake", f"include({SOURCE}/sdk/cmake/AilabAbiDigest.cmake)\n"
                                            f"set(headers {' '.join(headers)})\nlist(SORT headers)\n"
                                            "ailab_abi_digest(digest ${headers})\nmessage(${digest})\n")
        self.assertIn(run("-P", script, program="cmake").stderr.strip(), text)


if __name__ == "__main__":
    unittest.main()
