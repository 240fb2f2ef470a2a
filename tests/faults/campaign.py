"""What the campaigns share: a small run that writes everywhere, its processes, and cases that are drawn and can be
repeated."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from harness import BUILD, PLUGINS, RunFolder, command, environment  # noqa: E402
from run_readers import READERS, log_lines, tensors  # noqa: E402

ALL = os.environ.get("AILAB_FAULTS") == "all"
# The share is the same each time; all cases are drawn anew.
SEED = int(os.environ.get("AILAB_SEED") or (time.time() if ALL else 1))
ONE_CASE = os.environ.get("AILAB_CASE")

STEPS = 160  # of 4 epochs
SHM = pathlib.Path("/dev/shm")

SINKS = {
    "logger": {"type": "LoggerHook", "interval": 5},
    "csv": {"type": "CSVHook", "interval": 5},
    "tensorboard": {"type": "TensorboardHook", "interval": 5},
    "wandb": {"type": "WandbHook", "interval": 5, "init_args": {"mode": "offline"}},
    "swanlab": {"type": "SwanLabHook", "interval": 5},
}
HOOKS = {
    "metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train", "val"]}},
    "ema": {"type": "EMAHook", "decay": 0.99},
    "lr_scheduler": {"type": "LrSchedulerHook", "by": "iter", "warmup": "linear", "warmup_iters": 20,
                     "scheduler": {"type": "CosineAnnealingLR"}},
    "checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": 13, "keep_last": 3, "save_best": "top1"},
    "fault": {"type": "FaultHook"},
}


def share(of_all, few):
    """How many of the cases are tried: all of them, or the share of every day."""
    return of_all if ALL else few


def small_run(folder, **sections):
    """The configuration of a run of less than a second, with every sink."""
    data = {"type": "Synthetic", "shape": [16], "num_classes": 4}
    config = {
        "seed": 3, "work_dir": str(folder / "work"), "model": {"type": "SmallNet"},
        "data": {"train": {**data, "size": 240}, "val": {**data, "size": 60, "seed": 1},
                 "train_dataloader": {"global_batch_size": 6}, "val_dataloader": {"batch_size": 12}},
        "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "Adam", "lr": 0.001},
        "workflow": [["train", 1], ["val", 1]], "total_epochs": 4, "runtime": {"threads": 1},
        "hooks": {**SINKS, **HOOKS}, **sections}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=1))
    return path


class Job:
    """A run as its user starts it, with all of its processes. What they print goes to files, which a killed mpirun
    does not close under its ranks."""

    def __init__(self, folder, config, *overrides, ranks=1, **env):
        folder.mkdir(parents=True, exist_ok=True)
        self.mark = uuid.uuid4().hex
        self.paths = [folder / f"{self.mark}.{stream}" for stream in ("out", "err")]
        launcher = ["mpirun", "--oversubscribe", "-np", str(ranks)] if ranks > 1 else []
        self.words = [*launcher, *command(config, overrides, plugins=["fault_points"])]
        self.begin = time.monotonic()
        with open(self.paths[0], "w") as out, open(self.paths[1], "w") as err:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            start_new_session=True, env=environment(AILAB_TEST_JOB=self.mark, **env))

    def processes(self):
        """By number, the rank, or None for mpirun."""
        found = {}
        mark = f"AILAB_TEST_JOB={self.mark}".encode()
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in variables:
                ranks = [v[21:] for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
                found[int(entry.name)] = int(ranks[0]) if ranks else None
        return found

    def kill(self, which):
        """`which`: a rank's number (waited for, where mpirun has not started it yet), "mpirun" or "all"."""
        while isinstance(which, int) and which not in self.processes().values() and self.process.poll() is None:
            time.sleep(0.005)
        for number, rank in self.processes().items():
            if which == "all" or rank == which or (which == "mpirun" and number == self.process.pid):
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def wait(self, seconds):
        """The exit status; a negative one is a signal's. None when the job does not end in time: it is killed then."""
        try:
            status = self.process.wait(timeout=max(0.1, seconds - (time.monotonic() - self.begin)))
        except subprocess.TimeoutExpired:
            status = None
        if status is None:
            self.kill("all")
            self.process.wait()
        self.seconds = time.monotonic() - self.begin
        return status

    def left_behind(self, seconds):
        """The processes that are still there after so many seconds; they are killed."""
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        found = [f"{number} (rank {rank})" for number, rank in left.items()]
        self.kill("all")
        return found

    @property
    def out(self):
        return self.paths[0].read_text(errors="replace")

    @property
    def err(self):
        return self.paths[1].read_text(errors="replace")

    def messages(self):
        return [line for line in self.err.splitlines() if "ailab: [rank" in line]

    def tell(self):
        return f"{' '.join(self.words)}\n--- stderr\n{self.err[-6000:]}"


def shared_memory():
    return {path.name for path in SHM.glob("ailab*")}


def leftovers(work):
    """What is never there after a run's end: files and folders on their way to another name."""
    return sorted(str(path.relative_to(work)) for path in work.rglob("*")
                  if ".tmp-" in path.name)


def newest_run(work):
    """Its folder; there need not be a link to it."""
    latest = work / "latest"
    folders = sorted(path.parent for path in work.glob("*/config.yaml") if path.parent != latest)
    return latest.resolve() if latest.exists() or not folders else folders[-1]


def checkpoints(work):
    """By step, the complete ones of the newest run."""
    found = {}
    for manifest in newest_run(work).glob("checkpoints/*/manifest.json"):
        if ".tmp-" not in manifest.parent.name:
            found[json.loads(manifest.read_text())["step"]] = manifest.parent
    return found


class Campaign(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-faults-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.shared_memory_before = shared_memory()

    def try_cases(self, name, cases, function):
        """Calls function(generator, folder, case) for each case (or so often), in a subtest that says how to repeat
        it."""
        cases = list(range(cases) if isinstance(cases, int) else cases)
        print(f"\n{name}: {len(cases)} cases, AILAB_SEED={SEED}", file=sys.stderr, flush=True)
        how = f"AILAB_SEED={SEED} AILAB_CASE={{}} {'AILAB_FAULTS=all ' if ALL else ''}" \
              f"python -m unittest {type(self).__module__}.{type(self).__name__}.{self._testMethodName}"
        for index, case in enumerate(cases):
            if ONE_CASE and index != int(ONE_CASE):
                continue
            folder = self.folder / f"{name}-{index}"
            with self.subTest(repeat=how.format(index)):
                function(random.Random(f"{SEED}/{name}/{index}"), folder, case)
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, folder, config, *overrides, ranks=1, **env):
        """A run that must come to its end."""
        job = Job(folder, config, *overrides, ranks=ranks, **env)
        status = job.wait(60)
        self.assertEqual(status, 0, job.tell())
        return job

    def straight_run(self, ranks=1, **sections):
        folder = self.folder / f"straight-{ranks}"
        job = self.finish(folder, small_run(folder, **sections), ranks=ranks)
        self.straight_seconds = job.seconds
        return RunFolder(folder / "work")

    def assertSameEnd(self, run, straight, context, sinks=True, alone=True):
        """Final tensors to the bit, the same checkpoints (`alone`: and no others), every sink, the steps of
        train.log."""
        names = lambda folder: sorted(path.name for path in (folder.path / "checkpoints").iterdir()
                                      if ".tmp-" not in path.name)
        if alone:
            self.assertEqual(names(run), names(straight), context)
        for name in names(straight):
            self.assertSameTensors(run.path / "checkpoints" / name, straight.path / "checkpoints" / name, context)
        if not sinks:
            return
        for sink, read in READERS.items():
            self.assertEqual(read(run), read(straight), f"{sink}\n{context}")
        self.assertEqual(log_lines(run), log_lines(straight), context)

    def assertSameTensors(self, found, expected, context):
        found, expected = tensors(found), tensors(expected)
        self.assertEqual(list(found), list(expected), context)
        for key in expected:
            numpy.testing.assert_array_equal(found[key], expected[key], err_msg=f"{key}\n{context}")

    def assertNothingLeft(self, work, context):
        self.assertEqual(leftovers(work), [], context)
        # What another test's job has there for the moment that its ranks need to meet goes by itself.
        left, end = shared_memory() - self.shared_memory_before, time.monotonic() + 10
        while left and time.monotonic() < end:
            time.sleep(0.1)
            left &= shared_memory()
        self.assertEqual(left, set(), context)
