"""What the benchmarks share: alternating blocks, medians of pairs, one JSON line a result."""
import gzip
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
os.environ.setdefault("AILAB_SOURCE", str(HERE.parents[1]))
os.environ.setdefault("AILAB_BUILD", str(HERE.parents[1] / "build"))
from harness import BUILD, FASHION_MNIST, SOURCE, command, environment  # noqa: E402

PROGRAMS = BUILD / "tests" / "bench"


def build():
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "bench_programs"], check=True,
                   stdout=sys.stderr)


def say(bench, case, value, unit, ratio=None, against=None):
    record = {"bench": bench, "case": case, "value": round(value, 4), "unit": unit}
    if ratio is not None:
        record.update(ratio=round(ratio, 4), against=against)
    print(json.dumps(record), flush=True)


def left_out(bench, case, reason):
    print(json.dumps({"bench": bench, "case": case, "left_out": reason}), flush=True)


def has_bfloat16(cpuinfo="/proc/cpuinfo"):
    """Whether this processor has instructions for bfloat16. Without them oneDNN computes in float32 and converts, many
    times slower."""
    words = set(pathlib.Path(cpuinfo).read_text().split())
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})  # bf16: as ARM names it


NO_BFLOAT16 = "this processor has no instructions for bfloat16"


def measured(words, timeout=900, **env):
    """The JSON line that a program or BenchTimer prints last. Its log goes to a file: nobody reads along
    and takes a core."""
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.run([str(w) for w in words], timeout=timeout, env=environment(**env), text=True,
                              stdout=subprocess.PIPE, stderr=log)
        if done.returncode != 0:
            log.seek(0)
            raise SystemExit(f"{words}: exit status {done.returncode}\n{done.stdout}\n{log.read()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def alternate(blocks, count):
    """Runs each of the named callables in turn, `count` times. Gives a list of numbers a name."""
    numbers = {name: [] for name in blocks}
    for i in range(count):
        for name, run in blocks.items():
            numbers[name].append(run())
    return numbers


def paired(a, b):
    """The median of the pairs' ratios a/b."""
    return statistics.median(x / y for x, y in zip(a, b))


class Folder:
    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="ailab-bench-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Run:
    """A run of ailab-run that BenchTimer times. Called, it runs by a build and gives one of BenchTimer's numbers."""

    def __init__(self, folder, name, config, plugins=(), number="samples_per_second", ranks=1):
        self.path = folder / f"{name}.yaml"
        self.path.write_text(json.dumps({"work_dir": str(folder / name), **config}, indent=1))
        self.plugins = [*plugins, "bench_timer"]
        self.number = number
        self.ranks = ranks

    def words(self, build=BUILD):
        launcher = ["mpirun", "-np", self.ranks] if self.ranks > 1 else []
        return [*launcher, *command(self.path, plugins=self.plugins, build=build)]

    def __call__(self, build=BUILD):
        return measured(self.words(build))[self.number]

    def seconds(self, build):
        """What is shorter by the faster build."""
        number = self(build)
        return number / 1e6 if self.number.startswith("us_") else 1 / number


def mlp(folder, name, hooks, plugins=("mlp",), number="us_per_iteration", ranks=1, **sections):
    """A run of the MLP 784-64-10 at batch 32 on the whole of Fashion-MNIST; sections replace the defaults."""
    data = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353}
    config = {
        "seed": 1, "model": {"type": "MLP"},
        "data": {"train": {**data, "train": True}, "val": {**data, "train": False},
                 "train_dataloader": {"batch_size": 32}, "val_dataloader": {"batch_size": 500}},
        "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "Adam", "lr": 0.001},
        "workflow": [["train", 1], ["val", 1]], "total_epochs": 4, "runtime": {"threads": 1},
        "hooks": hooks}
    config.update(sections)
    return Run(folder, name, config, plugins, number, ranks)
