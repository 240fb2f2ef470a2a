#!/usr/bin/env python3
"""Training of ResNet-18 at 32x32: ailab-run at its default settings, data path and all, against the bare step of
Python's PyTorch, eager channels_last and torch.compile, in float32 and bfloat16. Alternating processes; the ratio is
the median of pairs with the better of the two. On the CPU with batches of 64 and 2 threads; `resnet.py 5 cuda` on a
GPU with batches of 512, by the python3 that is there."""
import json
import statistics
import subprocess
import sys

from bench import (NO_BFLOAT16, SOURCE, Folder, alternate, build, command, has_bfloat16, left_out, measured, paired,
                   say)

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cpu"
STEPS, BATCH, WARM_UP = {"cpu": (25, 64, 3), "cuda": (300, 512, 20)}[DEVICE]
PYTHON = {"cpu": SOURCE / ".deps" / "python" / "bin" / "python", "cuda": "python3"}[DEVICE]


def ours(folder, dtype):
    hooks = {"timer": {"type": "BenchTimer", "skip": WARM_UP}}
    if dtype == "bfloat16":
        hooks["amp"] = {"type": "AMPHook"}
    config = {
        "seed": 1, "work_dir": str(folder / dtype),
        "model": {"type": "resnet18", "num_classes": 10, "small_input": True},
        "data": {"train": {"type": "Synthetic", "size": 10240, "shape": [3, 32, 32]},
                 "train_dataloader": {"batch_size": BATCH}},
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "runtime": {"device": DEVICE},
        "workflow": [["train", 1]], "total_iters": WARM_UP + STEPS, "hooks": hooks}
    path = folder / f"{dtype}.yaml"
    path.write_text(json.dumps(config, indent=1))
    return command(path, plugins=["bench_timer"])


def python(kind, dtype):
    words = [PYTHON, SOURCE / "tests" / "bench" / "resnet_peers.py", kind, dtype, DEVICE, BATCH, WARM_UP, STEPS]
    return lambda: measured(words)["samples_per_second"]


if DEVICE == "cpu":
    build()
    subprocess.run([SOURCE / "scripts" / "lib" / "make-test-python"], check=True, stdout=sys.stderr)
with Folder() as folder:
    for dtype in ("float32", "bfloat16"):
        if dtype == "bfloat16" and DEVICE == "cpu" and not has_bfloat16():
            left_out("resnet", dtype, NO_BFLOAT16)
            continue
        words = ours(folder, dtype)
        rates = alternate({"ailab": lambda: measured(words)["samples_per_second"], "eager": python("eager", dtype),
                           "compiled": python("compiled", dtype)}, BLOCKS)
        for case in ("eager", "compiled"):
            say("resnet", f"{dtype} {case}", statistics.median(rates[case]), "images/s")
        best = [max(pair) for pair in zip(rates["eager"], rates["compiled"])]
        say("resnet", f"{dtype} ailab", statistics.median(rates["ailab"]), "images/s", paired(rates["ailab"], best),
            "the best of Python")
