"""Runs ailab-run as users do, and reads what it wrote."""
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ.get("AILAB_BUILD", "build")).resolve()
SOURCE = pathlib.Path(os.environ.get("AILAB_SOURCE", pathlib.Path(__file__).parents[2])).resolve()
AILAB = BUILD / "bin" / "ailab-run"
PLUGINS = BUILD / "tests" / "plugins"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")


def read_fashion_mnist(name):
    """A file of the data set, with its head, as an array of bytes. Needs numpy."""
    import numpy
    plain = FASHION_MNIST / name
    data = plain.read_bytes() if plain.exists() else gzip.open(f"{plain}.gz").read()
    return numpy.frombuffer(data, numpy.uint8)


def environment(**extra):
    """The environment without what a launcher around the tests may have left in it."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("OMPI_", "PMIX_", "SLURM_", "MASTER_", "RANK", "WORLD_SIZE", "LOCAL_"))}
    env.pop("OMP_NUM_THREADS", None)
    env.pop("AILAB_PLUGIN_PATH", None)
    env.pop("AILAB_SECRET", None)
    if os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    env.update({k: str(v) for k, v in extra.items()})
    return env


class Result:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    def __str__(self):
        return f"exit status {self.status} after {self.seconds:.1f} s\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def command(config, overrides=(), plugins=(), work_dir=None, build=BUILD):
    words = [str(build / "bin" / "ailab-run")]
    for plugin in plugins:
        words += ["--plugins", str(build / "tests" / "plugins" / f"lib{plugin}.so")]
    if work_dir:
        words += ["--work-dir", str(work_dir)]
    return words + [str(config), *overrides]


def call(words, timeout=120, cwd=None, **env):
    begin = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment(**env), cwd=cwd, start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{' '.join(words)} did not end in {timeout} s\n{out}\n{err}")
    return Result(process.returncode, out, err, time.monotonic() - begin)


def mpirun(ranks, words, extra=(), **options):
    if ranks == 1:
        return call(words, **options)
    return call(["mpirun", "--oversubscribe", *extra, "-np", str(ranks), *words], **options)


def ranks_by_variables(ranks, words, timeout=120, port=None, cwd=None, own=lambda rank: {}, **extra):
    """Starts the ranks with torchrun-style variables and no launcher to watch them. Gives a Result a
    rank. `own(rank)`: variables of that rank alone."""
    port = port or free_port()
    begin = time.monotonic()
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                         start_new_session=True,
                         env=environment(**{**dict(RANK=r, LOCAL_RANK=r, WORLD_SIZE=ranks, LOCAL_WORLD_SIZE=ranks,
                                                   MASTER_ADDR="127.0.0.1", MASTER_PORT=port), **extra, **own(r)}))
        for r in range(ranks)]
    return collect(processes, begin, timeout)


def collect(processes, begin, timeout):
    results = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=max(0.1, timeout - (time.monotonic() - begin)))
            results.append(Result(process.returncode, out, err, time.monotonic() - begin))
    except subprocess.TimeoutExpired:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        texts = [p.communicate() for p in processes]
        raise AssertionError(f"not all ranks ended in {timeout} s: {texts}")
    return results


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RunFolder:
    """What a run left behind."""

    def __init__(self, work_dir):
        self.path = (pathlib.Path(work_dir) / "latest").resolve()

    def lines(self, mode=None):
        with open(self.path / "metrics.jsonl") as file:
            records = [json.loads(line) for line in file]
        return [r for r in records if mode is None or r["mode"] == mode]

    def losses(self):
        return [r["loss"] for r in self.lines("train")]

    def samples(self, ranks):
        """By step, the ids of all ranks in their order."""
        steps = {}
        for rank in range(ranks):
            with open(self.path / f"samples.rank{rank}.jsonl") as file:
                for line in file:
                    record = json.loads(line)
                    steps.setdefault(record["step"], []).extend(record["ids"])
        return [steps[step] for step in sorted(steps)]


def mlp_config(folder, **sections):
    """A quick run on the first 2,000 images of Fashion-MNIST; sections replace the defaults."""
    data = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353}
    config = {
        "seed": 3,
        "work_dir": str(pathlib.Path(folder) / "work"),
        "model": {"type": "MLP"},
        "data": {
            "train": {**data, "train": True, "limit": 2000},
            "val": {**data, "train": False, "limit": 1000},
            "train_dataloader": {"global_batch_size": 32},
            "val_dataloader": {"batch_size": 100},
        },
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "Adam", "lr": 0.001},
        "workflow": [["train", 1], ["val", 1]],
        "total_epochs": 1,
        "hooks": {"metrics": {"type": "MetricHook"},
                  "logger": {"type": "LoggerHook", "interval": 1}},
    }
    config.update(sections)
    path = pathlib.Path(folder) / "config.yaml"
    path.write_text(json.dumps(config, indent=1))  # JSON is YAML
    return path


# At least half a second of training, and as much of validation.
WATCHED = ["data.train.limit=4000", "data.val.limit=4000"]


def watched_config(folder, **sections):
    """A run of small, slow steps, to be watched; with WATCHED a short one."""
    data = {"type": "IDX", "root": str(FASHION_MNIST)}
    return mlp_config(folder, **{
        "data": {"train": {**data, "train": True}, "val": {**data, "train": False},
                 "train_dataloader": {"batch_size": 8}, "val_dataloader": {"batch_size": 8}},
        "model": {"type": "MLP", "delay": 0.001}, "runtime": {"threads": 1},
        "hooks": {"logger": {"type": "LoggerHook", "interval": 200}}, **sections})


class TestCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.work = self.folder / "work"

    def assertDone(self, result):
        self.assertEqual(result.status, 0, str(result))

    def run_folder(self):
        return RunFolder(self.work)
