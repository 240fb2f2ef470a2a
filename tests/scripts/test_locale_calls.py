"""No number of a file is formatted or read by the C locale, which any plugin may set (tests/e2e/test_surroundings.py
runs with one): `ailab/support/number_text.hpp` does it."""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
# In one call, which ends with a semicolon.
PRINTED = re.compile(r"printf\s*\([^;]*?%[-+ #0]*[\d*]*(?:\.[\d*]+)?[efgEFG]\b")
READ = re.compile(r"\b(?:strto(?:d|f|ld)|sto(?:d|f|ld)|atof|[fs]?scanf)\s*\(")


def complaints(text):
    text = re.sub(r"//.*", "", text)
    found = [match for pattern in (PRINTED, READ) for match in pattern.finditer(text)]
    return [f"{text.count(chr(10), 0, match.end()) + 1}: {match.group()[-60:]}" for match in found]


class LocaleCalls(unittest.TestCase):
    def test_the_patterns_see_what_they_are_for(self):
        for bad in ('std::snprintf(t, sizeof t,\n  "%d: %.4f", 1, x);', 'printf("%g", x);', "std::strtod(a, &b)", "stod(s)"):
            self.assertTrue(complaints(bad), bad)
        for good in ('snprintf(t, 9, "%02x%d", a, b);', 'set_pattern("%H:%M:%S,%e");', "parse_number(s)", "std::stoll(s)"):
            self.assertFalse(complaints(good), good)

    def test_the_sources_have_no_such_call(self):
        files = [path for top in ("core", "plugins", "apps", "sdk/include", "sdk/src") for path in (SOURCE / top).rglob("*.[ch]pp")]
        self.assertGreater(len(files), 300)
        found = [f"{path.relative_to(SOURCE)}:{what}" for path in files for what in complaints(path.read_text())]
        self.assertEqual(found, [], "use ailab/support/number_text.hpp")
