#!/usr/bin/env python3
"""Training of ResNet-18 at 32x32, batch 64, 2 threads, float32 and bfloat16: ailab-run at its default settings, data
path and all, against the bare step of Python's PyTorch, eager channels_last and torch.compile. Alternating
processes; the ratio is the median of pairs with the better of the two."""
import json
import statistics
import subprocess
import sys

from bench import SOURCE, Folder, alternate, build, command, measured, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
STEPS, BATCH, WARM_UP = 25, 64, 3
PYTHON = SOURCE / ".deps" / "python" / "bin" / "python"


def ours(folder, dtype):
    hooks = {"timer": {"type": "BenchTimer", "skip": WARM_UP}}
    if dtype == "bfloat16":
        hooks["amp"] = {"type": "AMPHook"}
    config = {
        "seed": 1, "work_dir": str(folder / dtype),
        "model": {"type": "resnet18", "num_classes": 10, "small_input": True},
        "data": {"train": {"type": "Synthetic", "size": 10000, "shape": [3, 32, 32]},
                 "train_dataloader": {"batch_size": BATCH}},
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "workflow": [["train", 1]], "total_iters": WARM_UP + STEPS, "hooks": hooks}
    path = folder / f"{dtype}.yaml"
    path.write_text(json.dumps(config, indent=1))
    return command(path, plugins=["bench_timer"])


build()
subprocess.run([SOURCE / "scripts" / "lib" / "make-test-python"], check=True, stdout=sys.stderr)
with Folder() as folder:
    for dtype in ("float32", "bfloat16"):
        peer = lambda kind: lambda: measured([PYTHON, SOURCE / "tests" / "bench" / "resnet_peers.py", kind, dtype,
                                              STEPS], timeout=900)["samples_per_second"]
        words = ours(folder, dtype)
        rates = alternate({"ailab": lambda: measured(words)["samples_per_second"], "eager": peer("eager"),
                           "compiled": peer("compiled")}, BLOCKS)
        for case in ("eager", "compiled"):
            say("resnet", f"{dtype} {case}", statistics.median(rates[case]), "images/s")
        best = [max(pair) for pair in zip(rates["eager"], rates["compiled"])]
        say("resnet", f"{dtype} ailab", statistics.median(rates["ailab"]), "images/s", paired(rates["ailab"], best),
            "the best of Python")
