"""What the tests of the command line share: run ailab-run, look at what it said."""
import os
import shutil
import subprocess
import tempfile
import unittest

AILAB_RUN = os.environ["AILAB_RUN"]
FIXTURES = os.environ["FIXTURES"]
BUILD = os.environ["AILAB_BUILD"]
SOURCE = os.environ["AILAB_SOURCE"]


def run(*arguments, program=AILAB_RUN, timeout=60, **options):
    environment = dict(os.environ, **options.pop("env", {}))
    environment.pop("AILAB_PLUGIN_PATH", None)
    return subprocess.run([program, *arguments], capture_output=True, text=True, errors="replace",
                          timeout=timeout, env=environment, **options)


def fixture(name):
    return f"{FIXTURES}/libfixture_{name}.so"


class InFolder(unittest.TestCase):
    """Each test has a folder of its own, `self.folder`."""

    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ailab-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def assert_refused(self, result, text, status=2):
        """Exactly this text on standard error, nothing else."""
        self.assertEqual(result.stderr, text + "\n")
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.returncode, status)
