"""Runs the same trainings by this build and by another, and compares what they computed, to the bit.

    AILAB_BUILD=<this build> python compare_builds.py <the other build> [config…]

scripts/compare-builds builds both."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import torch
import yaml
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import made_data  # noqa: E402
from harness import BUILD, SOURCE, environment  # noqa: E402

EXCEPTIONS = HERE / "exceptions.json"
# What a log line says of the clock and the machine.
NOT_COMPUTED = {"time", "data_time", "eta", "memory", "samples_per_second", "date", "duration", "read_time",
                "decode_time", "transform_time", "seconds", "time_to_first_step", "peak_memory"}


class Case:
    def __init__(self, name, config, *overrides, plugins=("minimal_for_tests",)):
        self.name, self.config, self.overrides, self.plugins = name, config, overrides, plugins


def shortened(config):
    """Overrides that make two epochs of seven uneven batches of a configuration, its checkpoints and all its numbers
    logged."""
    data = config["data"]
    overrides = ["total_epochs=2", "resume_from=null", "hooks.logger={type: LoggerHook, interval: 1}",
                 "hooks.checkpoint={type: CheckpointHook, interval: 1}", "hooks.trace={type: SampleTraceHook}",
                 "data.train_dataloader.global_batch_size=16", "data.val_dataloader.batch_size=25"]
    for phase, limit in (("train", 104), ("val", 60)):
        if data.get(phase, {}).get("type") == "IDX":
            overrides.append(f"data.{phase}.limit={limit}")
    # Its state holds the speed.
    overrides += [f"hooks.{name}.enable=false" for name, hook in config["hooks"].items()
                  if hook["type"] == "TensorboardHook"]
    return overrides


def by_steps(count, dtype, lr):
    return [f"optimizer={{type: SGD, lr: {lr}}}", f"runtime.dtype={dtype}", "total_epochs=null", f"total_iters={count}",
            f"workflow=[{{phase: train, iters: {count}}}, {{phase: val}}]"]


def read_yaml(path):
    return yaml.safe_load(pathlib.Path(path).read_text())


def cases(configs):
    folder = SOURCE / "configs"
    for config in configs or sorted(folder.glob("*.yaml")):
        path = pathlib.Path(config).resolve()
        yield Case(path.stem, path, *shortened(read_yaml(path)))
    if configs:
        return
    cnn = folder / "fashion_mnist.yaml"
    short = shortened(read_yaml(cnn))
    weights = [1 + i / 2 for i in range(10)]
    yield Case("accumulation", cnn, *short, "accumulative_counts=3")
    yield Case("averages", cnn, *short, "hooks.ema={type: EMAHook, decay: 0.9}")
    yield Case("bfloat16", cnn, *short, "hooks.amp={type: AMPHook, dtype: bfloat16}")
    weighted, clipped = f"loss.weight={weights}", "clip_grad={max_norm: 0.5}"
    yield Case("class_weights", cnn, *short, weighted, "accumulative_counts=2")
    yield Case("clipping", cnn, *short, clipped, "optimizer={type: SGD, lr: 0.1, momentum: 0.9}")
    # What may round otherwise, closer: the weights behind one step are the first ones less its gradients.
    for name, key in (("class_weights", weighted), ("clipping", clipped)):
        for dtype in ("float32", "float64"):
            yield Case(f"{name}_first_step_{dtype}", cnn, *short, *by_steps(1, dtype, lr=1), key)
        yield Case(f"{name}_20_steps_float64", cnn, *short, *by_steps(20, "float64", lr=0.05), key)
    yield Case("sync_batch_norm", folder / "fashion_mnist_resnet18.yaml",
               *shortened(read_yaml(folder / "fashion_mnist_resnet18.yaml")), "model.base_channels=16",
               "hooks.ddp={type: DDPHook, sync_batch_norm: true}")
    yield Case("manual_step", HERE / "gan.yaml", plugins=("gan",))


def make_data(folder):
    """What configs/ reads, where the real files are not at hand."""
    (folder / "data").mkdir()
    made_data.fashion_mnist_images(folder, 104)
    made_data.cifar10(folder, python=False, count=21)
    made_data.image_folders(folder, count=20)
    made_data.resnet50_weights(folder / "data" / "resnet50-11ad3fa6.pth")


class Failed(Exception):
    """A run that did not end well."""


def run(build, case, ranks, work, cwd):
    """The run's folder."""
    words = [str(build / "bin" / "ailab-run"), "--work-dir", str(work)]
    for plugin in case.plugins:
        words += ["--plugins", str(build / "tests" / "plugins" / f"lib{plugin}.so")]
    words += [str(case.config), *case.overrides, "runtime.threads=1"]
    if ranks > 1:
        words = ["mpirun", "--oversubscribe", "-np", str(ranks), *words]
    done = subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Failed(f"exit status {done.returncode}: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return (work / "latest").resolve()


def records(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def numbers(folder):
    """{"samples rank 0 line 3": [ids], "metrics line 5 loss": 0.7, …}"""
    found = {}
    for path in sorted(folder.glob("samples.rank*.jsonl")):
        for i, record in enumerate(records(path), 1):
            found[f"{path.stem} step {record['step']}"] = record["ids"]
    for i, record in enumerate(records(folder / "metrics.jsonl"), 1):
        for key, value in record.items():
            if key not in NOT_COMPUTED:
                found[f"metrics line {i} {key}"] = value
    return found


def tensors(folder):
    """Those of the last checkpoint, under "<file> <name>"."""
    checkpoints = [p for p in (folder / "checkpoints").iterdir() if (p / "manifest.json").exists()]
    if not checkpoints:
        raise Failed(f"{folder} holds no checkpoint")
    last = max(checkpoints, key=lambda p: int(re.sub(r"\D", "", p.name) or 0))
    return {f"{path.name} {name}": tensor for path in sorted(last.glob("*.safetensors"))
            for name, tensor in load_file(path).items()}


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(
        a.contiguous().flatten().view(torch.uint8), b.contiguous().flatten().view(torch.uint8))


def distance(a, b):
    """The largest difference, or None of what is no numbers of one shape."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.shape != b.shape or not a.numel():
            return None
        return (a.double() - b.double()).abs().max().item()
    if all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b)):
        return abs(a - b)
    return None


def differences(ours, theirs):
    """[(address, difference or None, text)] of two run folders, in the order of their files."""
    found = []
    for a, b in ((numbers(ours), numbers(theirs)), (tensors(ours), tensors(theirs))):
        for address in [*a, *(k for k in b if k not in a)]:
            if address not in a or address not in b:
                found.append((address, None, "only this tree has it" if address in a else "only the other has it"))
                continue
            x, y = a[address], b[address]
            if same_bits(x, y) if isinstance(x, torch.Tensor) else x == y or x != x and y != y:  # nan is nan
                continue
            size = distance(x, y)
            text = f"differs by {size:.3g}" if size is not None else "differs"
            found.append((address, size, text if isinstance(x, torch.Tensor) else f"{text}: {x} here, {y} there"))
    return found, len(numbers(ours)), len(tensors(ours))


def allowed(exceptions, case, address, size):
    """The exception that covers a difference. One without a tolerance covers whatever it names."""
    for exception in exceptions:
        if re.fullmatch(exception["case"], case) and re.fullmatch(exception["what"], address) and (
                "tolerance" not in exception or size is not None and size <= exception["tolerance"]):
            return exception
    return None


def judge(name, found, exceptions, used):
    """The differences that no exception covers."""
    left = []
    for address, size, text in found:
        exception = allowed(exceptions, name, address, size)
        if exception is None:
            left.append(f"{address}: {text}")
        else:
            used.add(exception["reason"])
    return left


def main():
    other, configs = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    exceptions = json.loads(EXCEPTIONS.read_text())
    used, bad = set(), 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-compare-"))
    try:
        make_data(folder)
        for case in cases(configs):
            for ranks in (1, 2):
                name = f"{case.name} np {ranks}"
                try:
                    runs = [run(build, case, ranks, folder / side / name.replace(" ", "_"), folder)
                            for side, build in (("this", BUILD), ("other", other))]
                    found, number_count, tensor_count = differences(*runs)
                except Failed as failure:
                    found, left = [], str(failure).splitlines()
                else:
                    left = judge(name, found, exceptions, used)
                bad += bool(left)
                verdict = "DIFFERENT" if left else "the same" if not found else f"{len(found)} differences that are meant"
                print(f"{name:36} {verdict}" + ("" if left else f" ({number_count} numbers, {tensor_count} tensors)"),
                      flush=True)
                for line in left[:12]:
                    print(f"    {line}")
                if len(left) > 12:
                    print(f"    and {len(left) - 12} more")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for exception in exceptions:
        mark = "met" if exception["reason"] in used else "not met"
        print(f"exception, {mark}: {exception['case']}, {exception['what']}: {exception['reason']}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
