"""What a killed launcher or a killed run leaves behind: no rank that trains on, and nothing that stands in the way of
the next run on that work_dir, which removes it and says so."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from harness import AILAB, TestCase, call, command, environment, mlp_config, watched_config

TORCHRUN = pathlib.Path(sys.executable).parent / "torchrun"


class Waiting(TestCase):
    def until(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def ranks(self):
        """The processes of this test's configuration that run ailab-run itself."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == str(AILAB).encode() and str(self.folder / "config.yaml").encode() in words:
                found.append(int(process.name))
        return found


class Orphans(Waiting):
    """A launcher that is killed takes its ranks along, whenever that is."""

    def check(self, launcher, when, env=None):
        process = subprocess.Popen(launcher, start_new_session=True, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=environment(**(env or {})))
        try:
            self.until(when)
            process.kill()
            process.wait()
            self.until(lambda: not self.ranks(), 15)
        finally:
            for pid in self.ranks():
                os.kill(pid, signal.SIGKILL)

    def launchers(self, words):
        line = " ".join(words)
        mpirun = ["mpirun", "--oversubscribe", "-np", "2"]
        yield "mpirun", [*mpirun, *words]
        yield "mpirun and a shell", [*mpirun, "sh", "-c", f"{line}; true"]
        if TORCHRUN.exists():
            yield "torchrun", [str(TORCHRUN), "--nproc-per-node", "2", "--no-python", *words]

    def test_before_the_ranks_have_met(self):
        config = watched_config(self.folder)
        for name, launcher in self.launchers(command(config, plugins=["hanging", "mlp"])):
            with self.subTest(launcher=name):
                # Rank 1 hangs while its plugin is loaded, rank 0 waits for it.
                self.check(launcher, lambda: len(self.ranks()) == 2, {"AILAB_TEST_LOAD": "1:loop"})

    def test_while_they_train(self):
        config = watched_config(self.folder)
        for name, launcher in self.launchers(command(config, plugins=["mlp"])):
            with self.subTest(launcher=name):
                shutil.rmtree(self.work, ignore_errors=True)
                self.check(launcher, lambda: list(self.work.glob("*/environment.json")))

    def test_a_run_that_was_started_by_hand_outlives_its_shell(self):
        config = watched_config(self.folder)
        line = " ".join(command(config, plugins=["mlp"]))
        for name, start in (("nohup", f"nohup {line} &"), ("setsid", f"setsid {line} &"),
                            ("variables", f"RANK=0 WORLD_SIZE=1 nohup {line} &")):
            with self.subTest(start=name):
                shell = subprocess.Popen(["sh", "-c", f"{start} wait"], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, env=environment())
                shutil.rmtree(self.work, ignore_errors=True)
                try:
                    self.until(lambda: list(self.work.glob("*/environment.json")))
                    shell.kill()
                    shell.wait()
                    before = time.monotonic()
                    self.until(lambda: time.monotonic() > before + 1)
                    self.assertTrue(self.ranks())
                finally:
                    for pid in self.ranks():
                        os.kill(pid, signal.SIGKILL)
                    self.until(lambda: not self.ranks())


class Leftovers(Waiting):
    HOOKS = {"checkpoint": {"type": "CheckpointHook"}, "logger": {"type": "LoggerHook"}}

    def config(self, **sections):
        return mlp_config(self.folder, workflow=[["train", 1]], runtime={"threads": 1}, **{"hooks": self.HOOKS, **sections})

    def names(self):
        return sorted(str(path.relative_to(self.work)) for path in self.work.rglob("*"))

    def test_a_run_killed_while_its_first_checkpoint_was_written_is_queued_again(self):
        run = self.work / "20260101_000000"
        for name in ("checkpoints/iter_6.tmp-18a1-2f-77/model.safetensors", "branch.json.tmp-18a1-2f-77", ".lock",
                     "config.yaml", "train.log"):
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).touch()
        (self.work / "last_checkpoint.tmp-18a1-2f-77").touch()
        result = call(command(self.config(), ["resume_from=auto"], plugins=["mlp"]))
        self.assertDone(result)
        self.assertIn("a fresh run begins", result.err)
        for name in ("checkpoints/iter_6.tmp-18a1-2f-77", "branch.json.tmp-18a1-2f-77"):
            self.assertIn(f"left by a run that was killed: removed {run / name}", result.err)
        self.assertFalse([name for name in self.names() if ".tmp-" in name or name.endswith(".lock")])
        self.assertTrue((run / "train.log").exists())
        self.assertTrue((self.run_folder().path / "checkpoints" / "epoch_1").is_dir())

    def test_a_save_dir_elsewhere_is_cleaned_of_what_a_dead_process_left(self):
        save_dir = self.folder / "saved"
        config = self.config(hooks={**self.HOOKS, "checkpoint": {"type": "CheckpointHook", "save_dir": str(save_dir)}})
        self.assertDone(call(command(config, plugins=["mlp"])))
        # The name of this host and of a dead process, as a kill in the middle of the writing leaves it.
        process = subprocess.Popen(["true"])
        process.wait()
        mark = self.crc32c(os.uname().nodename.encode())
        left = save_dir / f"epoch_2.tmp-18a1-{process.pid:x}-{mark:x}"
        left.mkdir()
        result = call(command(config, ["resume_from=auto", "total_epochs=2"], plugins=["mlp"]))
        self.assertDone(result)
        self.assertIn(f"removed {left}", result.err)
        self.assertFalse(left.exists())

    @staticmethod
    def crc32c(data):
        crc = 0xffffffff
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
        return crc ^ 0xffffffff

    def test_latest_stays_the_name_of_a_run(self):
        config = self.config()
        self.assertDone(call(command(config, plugins=["mlp"])))
        run = self.run_folder().path
        for epochs, given in ((2, "latest"), (3, "latest/checkpoints/epoch_2"), (4, "last_checkpoint"), (5, "latest/")):
            result = call(command(config, [f"resume_from={self.work}/{given}", f"total_epochs={epochs}"], plugins=["mlp"]))
            self.assertDone(result)
            self.assertEqual(os.readlink(self.work / "latest"), run.name, given)
            self.assertTrue((run / "checkpoints" / f"epoch_{epochs}").is_dir())
            self.assertNotIn("latest", (self.work / "last_checkpoint").read_text())

    def test_a_run_whose_folder_vanishes_ends_with_an_error_within_seconds(self):
        for ranks in (1, 2):
            for how in ("removed", "moved"):
                with self.subTest(ranks=ranks, how=how):
                    shutil.rmtree(self.work, ignore_errors=True)
                    config = watched_config(self.folder)
                    words = command(config, plugins=["mlp"])
                    if ranks > 1:
                        words = ["mpirun", "--oversubscribe", "-np", str(ranks), *words]
                    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                               env=environment())
                    self.until(lambda: list(self.work.glob("*/train.log")))
                    run = self.run_folder().path
                    run.rename(self.folder / f"moved{ranks}") if how == "moved" else shutil.rmtree(run)
                    begin = time.monotonic()
                    errors = process.communicate(timeout=30)[1]
                    self.assertLess(time.monotonic() - begin, 10)
                    self.assertEqual(process.returncode, 1, errors)
                    messages = [line for line in errors.splitlines() if "ailab: [rank" in line]
                    self.assertEqual(len(messages), 1, errors)
                    self.assertRegex(messages[0], rf"\[rank 0, .*train, .*the run's folder {run} was removed or moved")
