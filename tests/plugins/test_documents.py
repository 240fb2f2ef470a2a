"""Pages that are written from what modules, keys of the configuration and commands say of themselves."""
import json
import os
import re
import shutil
import unittest

from running import BUILD, SOURCE, InFolder, run

DOCS = os.path.join(SOURCE, "scripts", "docs")
MODULES = os.path.join(SOURCE, "docs", "modules.md")
COMMANDS = os.path.join(SOURCE, "docs", "commands.md")
KEYS = os.path.join(SOURCE, "docs", "keys.md")


def keys_of(schema, path=()):
    """Each key of a JSON Schema that has keys of its own, as (section, key)."""
    inner = [*schema.get("anyOf", []), schema.get("items"), schema.get("additionalProperties")]
    found = [key for one in inner if isinstance(one, dict) for key in keys_of(one, path)]
    for key, value in schema.get("properties", {}).items():
        found += [(".".join(path), key), *keys_of(value, (*path, key))]
    return found


class Documents(InFolder):
    def test_the_pages_are_what_the_program_says(self):
        result = run("--check", BUILD, program=DOCS)
        self.assertEqual((result.stderr, result.returncode), ("", 0))

    def test_a_page_that_says_something_else_is_told_and_can_be_written_anew(self):
        scripts, docs = os.path.join(self.folder, "scripts"), os.path.join(self.folder, "docs")
        os.mkdir(scripts)
        os.mkdir(docs)
        program = shutil.copy(DOCS, scripts)
        pages = {name: os.path.join(docs, name) for name in ("modules.md", "keys.md", "commands.md")}
        for page in pages.values():
            shutil.copy(os.path.join(SOURCE, "docs", os.path.basename(page)), docs)
        for name, page in pages.items():
            with self.subTest(name):
                with open(page) as file:
                    text = file.read()
                with open(page, "w") as file:
                    file.write(text.replace("ailab-run --", "ailab-run ++", 1))
                result = run("--check", BUILD, program=program)
                self.assertEqual(result.stderr, f"{page} is not what the program says. Run scripts/docs.\n")
                self.assertEqual(result.returncode, 1)
                self.assertEqual(run(BUILD, program=program).returncode, 0)
                with open(page) as file:
                    self.assertEqual(file.read(), text)

    def test_it_has_every_module_that_a_configuration_can_name(self):
        with open(MODULES) as file:
            listed = re.findall(r"^### `(.*)`$", file.read(), re.MULTILINE)
        lines = run("--list-modules").stdout.splitlines()[1:]
        modules = [line.split()[1] for line in lines if line.split()[0] not in ("backend", "device", "image_decoder")]
        self.assertEqual(sorted(listed), sorted(modules))

    def test_the_page_of_commands_is_the_help(self):
        with open(COMMANDS) as file:
            self.assertIn("```text\n" + run("--help").stdout + "```\n", file.read())

    def test_it_has_every_key_of_the_configuration(self):
        with open(KEYS) as file:
            sections = re.split(r"^## (.*)$", file.read(), flags=re.MULTILINE)[1:]
        listed = [(section, key) for title, text in zip(sections[::2], sections[1::2])
                  for section in ([""] if title == "The file" else re.findall(r"`([^`]+)`", title))
                  for key in re.findall(r"^\| `(\w+)` \| \S", text, re.MULTILINE)]
        keys = keys_of(json.loads(run("--json-schema").stdout))
        self.assertIn(("data.val_dataloader", "max_errors"), keys)
        self.assertEqual(sorted(listed), sorted(keys))

    def test_a_folder_without_plugins_is_told(self):
        result = run("--check", self.folder, program=DOCS)
        self.assertEqual(result.stderr,
                         f"there are no plugins in {self.folder}: build ailab, or give the build folder.\n")
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
