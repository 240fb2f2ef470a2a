"""What README.md and docs/ name exists, where they point is something, and the Chinese pages keep step."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import snippets

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
BUILD = pathlib.Path(os.environ["AILAB_BUILD"])
AILAB = BUILD / "bin" / "ailab-run"
CHINESE = {SOURCE / "README.zh-CN.md": SOURCE / "README.md",
           SOURCE / "docs/zh-CN/configuration.md": SOURCE / "docs/configuration.md"}
ENGLISH = [page for page in snippets.pages() if page.name != "modules.md"]
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def output(*words):
    return subprocess.run([AILAB, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def prose(page):
    return FENCED.sub("", page.read_text())


def headings(page):
    return re.findall(r"^(#+) (.*)$", prose(page), re.MULTILINE)


def anchors(page):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(page)}


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def quoted(page):
    """What stands in backticks. Of a page that translates names, the right-hand column alone."""
    text = prose(page)
    if page.name == "from-python.md":
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)
    return set(re.findall(r"`([^`\n]+)`", text))


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.modules = json.loads(output("--list-modules", "--json"))
        cls.help = output("--help")
        headers = "\n".join(path.read_text() for path in (SOURCE / "sdk/include").rglob("*.h*"))
        code = "\n".join(block.text for block in snippets.blocks())
        cls.words = set(re.findall(r"\w+", headers + code))

    def modules_of(self, kind):
        return {module["name"] for module in self.modules if module["kind"] == kind}

    def check(self, found, known):
        """Each of `found`, as (page, name), is among the known."""
        wrong = sorted(f"{page.relative_to(SOURCE)}: {name}" for page, name in found if name not in known)
        self.assertEqual(wrong, [])

    def test_what_looks_like_a_module_is_one_or_a_name_of_the_sdk(self):
        names = {(page, name) for page in ENGLISH for name in quoted(page)
                 if re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", name)}
        self.assertGreater(len(names), 80)
        self.check(names, self.words | {module["name"] for module in self.modules})

    def test_types_exist(self):
        names = {(page, name) for page in ENGLISH for name in re.findall(r"\btype: (\w*[a-z]\w*)", page.read_text())}
        self.assertGreater(len(names), 30)
        self.check(names, self.words | {module["name"] for module in self.modules})

    def test_options_of_the_command_line_exist(self):
        known = set(re.findall(r"--[a-z][\w-]*", self.help))
        others = {"--mca", "--host", "--prefix", "--build", "--install", "--all", "--against", "--trainer.max_epochs",
                  "--cfg-options", "--target"}
        options = {(page, option) for page in ENGLISH for quote in quoted(page)
                   for option in re.findall(r"--[a-z][\w.-]*", quote)}
        self.check(options, known | others)

    def test_paths_of_the_tree_exist(self):
        for page in ENGLISH:
            for path in quoted(page):
                if re.fullmatch(r"(sdk|core|plugins|apps|configs|tests|scripts|docs)/[\w./-]+", path):
                    with self.subTest(page=page.name, path=path):
                        self.assertTrue((SOURCE / path).exists())

    def test_messages_that_plugins_meet_are_those_of_the_program(self):
        code = "\n".join(path.read_text() for part in ("core", "sdk/include", "sdk/src", "tests/plugins")
                         for path in (SOURCE / part).rglob("*.[hcp]*p*"))
        code = re.sub(r'"\s*"', "", code).replace('\\"', '"')
        section = (SOURCE / "docs/plugins.md").read_text().split("## What goes wrong")[1]
        messages = re.findall(r"^\| `([^`]+)`(?! \(clang)", section, re.MULTILINE)
        self.assertGreater(len(messages), 8)
        for message in messages:
            for part in re.split("…|: ", message):
                if len(part.strip(" ;,")) > 8:
                    with self.subTest(message=message):
                        self.assertIn(part.strip(" ;,"), code)

    def test_every_key_of_the_configuration_is_explained(self):
        schema = json.loads(output("--json-schema"))
        page = quoted(SOURCE / "docs/configuration.md")

        def keys(node):
            while "$ref" in node:
                node = schema["definitions"][node["$ref"].removeprefix("#/definitions/")]
            return node.get("properties", {})

        top = keys(schema)
        wanted = set(top) | set(keys(top["dist"])) | set(keys(top["runtime"])) | set(keys(top["clip_grad"])) \
            | set(keys(top["paramwise_cfg"])) | set(keys(keys(top["data"])["train_dataloader"]))
        mentioned = {word for quote in page for word in re.findall(r"\w+", quote)}
        self.assertGreater(len(wanted), 50)
        self.assertEqual(sorted(wanted - mentioned), [])

    def test_every_hook_data_set_and_transform_is_listed(self):
        for kind, page in (("hook", "training"), ("dataset", "data"), ("transform", "data"), ("sampler", "data")):
            with self.subTest(kind=kind):
                self.assertEqual(sorted(self.modules_of(kind) - quoted(SOURCE / f"docs/{page}.md")), [])


class Ladder(unittest.TestCase):
    def test_folders_of_core_include_those_that_the_page_allows(self):
        page = (SOURCE / "docs/architecture.md").read_text()
        rows = re.findall(r"^\| ([^|]*) \|", page.split("| Folder |")[1].split("\n\n")[0], re.MULTILINE)
        level = {folder: at for at, row in enumerate(rows) for folder in re.findall(r"`(\w+)`", row)}
        core = SOURCE / "core"
        self.assertEqual(set(level), {path.name for path in core.iterdir() if path.is_dir()})
        wrong = []
        for file in core.rglob("*.[hc]pp"):
            for header in re.findall(r'^#include "((?!ailab/)\w+/[\w/.]+)"', file.read_text(), re.MULTILINE):
                if (SOURCE / "sdk/src" / header).exists():
                    continue
                above = level[header.split("/")[0]] > level[file.relative_to(core).parts[0]]
                if above and f"`core/{header}`" not in page:
                    wrong.append(f"{file.relative_to(core)} includes {header}")
        self.assertEqual(wrong, [])

    def test_the_body_of_the_sdk_knows_nothing_of_core(self):
        body = SOURCE / "sdk/src"
        wrong = [f"{file.relative_to(body)} includes {header}" for file in body.rglob("*.[hc]pp")
                 for header in re.findall(r'^#include "([\w/.]+)"', file.read_text(), re.MULTILINE)
                 if not any((folder / header).exists() for folder in (file.parent, body, SOURCE / "sdk/include"))]
        self.assertEqual(wrong, [])


class Links(unittest.TestCase):
    def test_they_lead_somewhere(self):
        for page in [*snippets.pages(), *CHINESE]:
            for link in links(page):
                if re.match(r"https?:", link):
                    continue
                with self.subTest(page=page.name, link=link):
                    path, _, anchor = link.partition("#")
                    target = (page.parent / path).resolve() if path else page
                    self.assertTrue(target.is_file())
                    if anchor:
                        self.assertIn(anchor, anchors(target))

    def test_every_page_is_listed_in_the_readme(self):
        listed = links(SOURCE / "README.md")
        for page in (SOURCE / "docs").glob("*.md"):
            self.assertIn(f"docs/{page.name}", {link.partition("#")[0] for link in listed})

    def test_an_installation_has_what_pages_link_to(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix = pathlib.Path(folder).resolve()
            subprocess.run(["cmake", "--install", BUILD, "--component", "documents", "--prefix", prefix],
                           check=True, capture_output=True, timeout=60)
            installed = prefix / "share/doc/ailab"
            pages = list(installed.rglob("*.md"))
            self.assertIn(installed / "docs/security.md", pages)
            for page in pages:
                for link in links(page):
                    if not re.match(r"https?:|#", link):
                        with self.subTest(page=page.name, link=link):
                            target = (page.parent / link.partition("#")[0]).resolve()
                            self.assertTrue(target.is_file() and target.is_relative_to(installed))


class Chinese(unittest.TestCase):
    """The Chinese pages are those in English, sentence by sentence: so far as a program can tell."""

    def test_every_page_has_its_original(self):
        found = {*SOURCE.glob("*.zh-CN.md"), *(SOURCE / "docs/zh-CN").glob("*.md")}
        self.assertEqual(found, set(CHINESE))

    def test_headings_are_as_many_and_of_the_same_levels(self):
        for page, original in CHINESE.items():
            with self.subTest(page=page.name):
                self.assertEqual([level for level, _ in headings(page)], [level for level, _ in headings(original)])

    def test_code_is_the_same(self):
        for page, original in CHINESE.items():
            with self.subTest(page=page.name):
                self.assertEqual([(block.language, block.text, block.mark) for block in snippets.blocks_of(page)],
                                 [(block.language, block.text, block.mark) for block in snippets.blocks_of(original)])

    def test_tables_have_as_many_rows(self):
        for page, original in CHINESE.items():
            with self.subTest(page=page.name):
                rows = [len(re.findall(r"^\|", prose(of), re.MULTILINE)) for of in (page, original)]
                self.assertEqual(*rows)

    def test_names_in_backticks_of_tables_are_the_same(self):
        def names(page):
            """Of each row, what stands in backticks in its first cell."""
            rows = re.findall(r"^\|([^|]*)\|", prose(page), re.MULTILINE)
            return [re.findall(r"`([^`]+)`", row) for row in rows]

        for page, original in CHINESE.items():
            with self.subTest(page=page.name):
                self.assertEqual(names(page), names(original))


if __name__ == "__main__":
    unittest.main()
