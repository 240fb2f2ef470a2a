"""Pages that are written from what modules and commands say of themselves."""
import os
import re
import unittest

from running import BUILD, SOURCE, InFolder, run

DOCS = os.path.join(SOURCE, "scripts", "docs")
PAGE = os.path.join(SOURCE, "docs", "modules.md")
COMMANDS = os.path.join(SOURCE, "docs", "commands.md")


class Documents(InFolder):
    def test_the_pages_of_modules_and_commands_are_what_they_say(self):
        result = run("--check", BUILD, program=DOCS)
        self.assertEqual((result.stderr, result.returncode), ("", 0))

    def test_it_has_every_module_that_a_configuration_can_name(self):
        with open(PAGE) as file:
            listed = re.findall(r"^### `(.*)`$", file.read(), re.MULTILINE)
        lines = run("--list-modules").stdout.splitlines()[1:]
        modules = [line.split()[1] for line in lines if line.split()[0] not in ("backend", "device", "image_decoder")]
        self.assertEqual(sorted(listed), sorted(modules))

    def test_the_page_of_commands_is_the_help(self):
        with open(COMMANDS) as file:
            self.assertIn("```text\n" + run("--help").stdout + "```\n", file.read())

    def test_a_folder_without_plugins_is_told(self):
        result = run("--check", self.folder, program=DOCS)
        self.assertEqual(result.stderr,
                         f"there are no plugins in {self.folder}: build ailab, or give the build folder.\n")
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
