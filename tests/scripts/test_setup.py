"""scripts/setup: what it fetches, what it leaves alone, and what an interrupted run leaves."""
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

SOURCE = os.environ["AILAB_SOURCE"]

# Stands in for python3 -m pip download / python3 -m zipfile: makes the files that the wheels hold.
PYTHON = r"""#!/bin/bash
echo "$@" >>"$CALLS"
case "$*" in
*"pip download"*)
    while [ "$1" != --dest ]; do shift; done
    touch "$2/torch.whl" "$2/nvidia.whl"
    [ -z "$FAIL_DOWNLOAD" ] || { echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"; exit 1; }
    ;;
*"zipfile -e"*torch.whl*)
    mkdir -p "$5/torch/lib" "$5/torch-2.11.0.dist-info"
    touch "$5/torch/lib/libtorch_cpu.so"
    [ -z "$HANG" ] || { touch "$HANG"; sleep 60; }
    ;;
*"zipfile -e"*nvidia.whl*)
    mkdir -p "$5/nvidia/cu13/lib"
    touch "$5/nvidia/cu13/lib/libcudart.so.13" "$5/nvidia/cu13/lib/libcupti.so.13"
    ;;
esac
"""


class Setup(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ailab-test-")
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(SOURCE + "/scripts", self.root + "/scripts")
        os.mkdir(self.root + "/bin")
        with open(self.root + "/bin/python3", "w") as file:
            file.write(PYTHON)
        os.chmod(self.root + "/bin/python3", stat.S_IRWXU)
        self.libtorch = self.root + "/.deps/libtorch"

    def start(self, *arguments, **env):
        environment = dict(os.environ, AILAB_SKIP_PACKAGES="1", CALLS=self.root + "/calls",
                           **{"FAIL_DOWNLOAD": "", "HANG": "", **env})
        environment["PATH"] = self.root + "/bin:" + environment["PATH"]
        for name in ("TORCH_DIR", "AILAB_BUILD"):
            if name not in env:
                environment.pop(name, None)
        return subprocess.Popen([self.root + "/scripts/setup", *arguments], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                start_new_session=True)

    def finish(self, process):
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def calls(self):
        try:
            with open(self.root + "/calls") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def test_names_each_step_and_its_time(self):
        status, output = self.finish(self.start())
        self.assertEqual(status, 0, output)
        lines = output.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"^Debian packages +\d+ s$")
        self.assertRegex(lines[1], r"^LibTorch 2\.11\.0 +\d+ s$")

    def test_fetches_by_hash_and_leaves_only_the_result(self):
        self.finish(self.start())
        download = self.calls()[0]
        self.assertIn("--require-hashes", download)
        self.assertIn("lib/libtorch.txt", download)
        self.assertTrue(os.path.exists(self.libtorch + "/torch/lib/libtorch_cpu.so"))
        self.assertEqual(sorted(os.listdir(self.root + "/.deps")), [".lock", "libtorch"])

    def test_a_second_run_fetches_nothing(self):
        self.finish(self.start())
        before = self.calls()
        status, _ = self.finish(self.start())
        self.assertEqual(status, 0)
        self.assertEqual(self.calls(), before)

    def test_a_failed_download_is_shown_and_leaves_nothing(self):
        status, output = self.finish(self.start(**{"FAIL_DOWNLOAD": "1"}))
        self.assertEqual(status, 1)
        self.assertIn('The step "LibTorch 2.11.0" failed (status 1). The end of ', output)
        self.assertIn("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", output)
        self.assertEqual(os.listdir(self.root + "/.deps"), [".lock"])

    def interrupt(self, signal_number):
        hanging = self.root + "/hanging"
        process = self.start(HANG=hanging)
        for _ in range(600):
            if os.path.exists(hanging):
                break
            time.sleep(0.05)
        self.assertTrue(os.path.exists(hanging))
        os.killpg(process.pid, signal_number)
        self.finish(process)
        self.assertFalse(os.path.exists(self.libtorch))

    def test_an_interrupted_run_leaves_nothing_half_done(self):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=signal_number):
                self.interrupt(signal_number)
                status, output = self.finish(self.start())
                self.assertEqual(status, 0, output)
                self.assertEqual(sorted(os.listdir(self.root + "/.deps")), [".lock", "libtorch"])
                shutil.rmtree(self.libtorch)

    def make_libtorch(self):
        torch = self.root + "/torch"
        os.makedirs(torch + "/include/torch/csrc/api/include/torch")
        os.makedirs(torch + "/lib")
        open(torch + "/include/torch/csrc/api/include/torch/torch.h", "w").close()
        shutil.copy("/bin/true", torch + "/lib/libtorch_cpu.so")
        return torch

    def cache(self, torch):
        os.makedirs(self.root + "/build", exist_ok=True)
        with open(self.root + "/build/CMakeCache.txt", "w") as file:
            file.write(f"AILAB_TORCH_CPU:FILEPATH={torch}/lib/libtorch_cpu.so\n")

    def test_a_libtorch_of_the_user_is_used_instead(self):
        status, output = self.finish(self.start(TORCH_DIR=self.make_libtorch()))
        self.assertEqual(status, 0, output)
        self.assertEqual(self.calls(), [])
        self.assertFalse(os.path.exists(self.libtorch))

    def test_so_is_one_that_the_build_was_configured_with(self):
        self.cache(self.make_libtorch())
        status, output = self.finish(self.start())
        self.assertEqual(status, 0, output)
        self.assertEqual(self.calls(), [])

    def test_a_build_configured_with_the_fetched_one_fetches_it_again_when_it_is_gone(self):
        self.cache(self.libtorch + "/torch")
        status, output = self.finish(self.start())
        self.assertEqual(status, 0, output)
        self.assertTrue(os.path.exists(self.libtorch))

    def test_a_wrong_torch_dir_is_refused(self):
        status, output = self.finish(self.start(TORCH_DIR="/nowhere"))
        self.assertEqual(status, 1)
        self.assertIn("TORCH_DIR=/nowhere has no include/torch/csrc/api/include/torch/torch.h: name "
                      "the folder of LibTorch that holds include/", output)

    def test_an_unknown_argument_is_refused(self):
        status, output = self.finish(self.start("--test"))
        self.assertEqual((status, output), (2, "scripts/setup [--tests]: --test is unknown\n"))


if __name__ == "__main__":
    unittest.main()
