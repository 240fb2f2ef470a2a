"""scripts/quickstart builds only some of the plugins: all that its training needs must be among them."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
BUILD = pathlib.Path(os.environ["AILAB_BUILD"])


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.prefix = pathlib.Path(tempfile.mkdtemp(prefix="ailab-test-"))
        self.addCleanup(shutil.rmtree, self.prefix)
        script = (SOURCE / "scripts" / "quickstart").read_text()
        self.built = re.search(r"^used=\((.*?)\)", script, re.S | re.M)[1].split()
        plugins = self.prefix / "lib" / "ailab" / "plugins"
        plugins.mkdir(parents=True)
        (self.prefix / "bin").mkdir()
        shutil.copy(BUILD / "bin" / "ailab-run", self.prefix / "bin")
        shutil.copy(BUILD / "lib" / "libailab_core.so", self.prefix / "lib")
        for name in self.built:
            for file in (f"lib{name}.so", f"{name}.json"):
                (plugins / file).symlink_to(BUILD / "lib" / "ailab" / "plugins" / file)

    def run_program(self, *words):
        env = dict(os.environ, LD_LIBRARY_PATH=str(self.prefix / "lib"))
        return subprocess.run([self.prefix / "bin" / "ailab-run", *words], env=env, capture_output=True, text=True,
                              timeout=120)

    def test_the_tree_holds_no_other_plugin(self):
        result = self.run_program("--list-modules", "model")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("resnet18", result.stdout)

    def test_its_configuration_runs_with_what_it_builds(self):
        result = self.run_program(
            "--plugins", str(BUILD / "tests" / "plugins" / "libminimal_for_tests.so"),
            "--work-dir", str(self.prefix / "work"), str(SOURCE / "configs" / "fashion_mnist.yaml"),
            "data.train.limit=256", "data.val.limit=250")
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
