"""A finding fails the run, and tells the input and how to read it again."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
FUZZ = os.environ["AILAB_FUZZ"]


def run(*command, build):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=120,
                          env={**os.environ, "AILAB_BUILD": str(build)})


class Findings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_fuzzing_writes_the_input_and_it_can_be_read_again(self):
        work = self.folder / "fuzz" / "self_check"
        work.mkdir(parents=True)
        (work / "start").write_text("bu_")
        result = run(SOURCE / "scripts/fuzz", "-s", 60, "self_check", build=self.folder)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        path = re.search(r"The input is\n\s+(\S+)", result.stdout).group(1)
        self.assertTrue(pathlib.Path(path).read_bytes().startswith(b"bug"))
        command = re.search(r"Read it again:\n\s+(.+)\n", result.stdout).group(1).split()
        again = run(*command, build=self.folder)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("the mistake of the self-check", again.stderr)

    def test_reading_a_corpus_tells_which_file_it_was(self):
        corpus = self.folder / "self_check"
        corpus.mkdir()
        (corpus / "good").write_text("good")
        self.assertIn("1 inputs read", run(FUZZ, "--replay", corpus, build=self.folder).stdout)
        (corpus / "bad").write_text("bug")
        result = run(FUZZ, "--replay", corpus, build=self.folder)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(str(corpus / "bad"), result.stderr)

    def test_the_check_is_not_among_the_targets(self):
        targets = run(FUZZ, "--list", build=self.folder).stdout.split()
        self.assertIn("tar", targets)
        self.assertNotIn("self_check", targets)
        corpora = {folder.name for folder in (SOURCE / "tests/fuzz/corpus").iterdir()}
        self.assertEqual(set(targets), corpora, "each target has a corpus")


if __name__ == "__main__":
    unittest.main()
