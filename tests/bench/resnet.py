#!/usr/bin/env python3
"""Training of ResNet-18 at 32x32: ailab-run at its default settings, data path and all, against the bare step of
Python's PyTorch, eager channels_last and torch.compile, in float32 and bfloat16. Alternating processes; the ratio is
the median of pairs with the better of the two. On the CPU with batches of 64 and 2 threads; `resnet.py 5 cuda` on a
GPU with batches of 512, by the python3 that is there."""
import statistics
import subprocess
import sys

from bench import NO_BFLOAT16, SOURCE, Folder, Run, alternate, build, has_bfloat16, left_out, measured, paired, say

LENGTHS = {"cpu": (25, 64, 3), "cuda": (300, 512, 20)}  # steps, batch, warm-up
PYTHON = {"cpu": SOURCE / ".deps" / "python" / "bin" / "python", "cuda": "python3"}


def run(folder, dtype, device, steps):
    _, batch, warm_up = LENGTHS[device]
    hooks = {"timer": {"type": "BenchTimer", "skip": warm_up}}
    if dtype == "bfloat16":
        hooks["amp"] = {"type": "AMPHook"}
    return Run(folder, dtype, {
        "seed": 1, "model": {"type": "resnet18", "num_classes": 10, "small_input": True},
        "data": {"train": {"type": "Synthetic", "size": 10240, "shape": [3, 32, 32]},
                 "train_dataloader": {"batch_size": batch}},
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "runtime": {"device": device},
        "workflow": [["train", 1]], "total_iters": warm_up + steps, "hooks": hooks})


def runs(folder, short=False, device="cpu"):
    found = {}
    for dtype in ("float32", "bfloat16"):
        if dtype == "bfloat16" and device == "cpu" and not has_bfloat16():
            left_out("resnet", dtype, NO_BFLOAT16)
        else:
            found[dtype] = run(folder, dtype, device, 8 if short else LENGTHS[device][0])
    return found


def python(kind, dtype, device):
    steps, batch, warm_up = LENGTHS[device]
    words = [PYTHON[device], SOURCE / "tests" / "bench" / "resnet_peers.py", kind, dtype, device, batch, warm_up, steps]
    return lambda: measured(words)["samples_per_second"]


def main(blocks=5, device="cpu"):
    if device == "cpu":
        build()
        subprocess.run([SOURCE / "scripts" / "lib" / "make-test-python"], check=True, stdout=sys.stderr)
    with Folder() as folder:
        for dtype, ours in runs(folder, device=device).items():
            rates = alternate({"ailab": ours, "eager": python("eager", dtype, device),
                               "compiled": python("compiled", dtype, device)}, int(blocks))
            for case in ("eager", "compiled"):
                say("resnet", f"{dtype} {case}", statistics.median(rates[case]), "images/s")
            best = [max(pair) for pair in zip(rates["eager"], rates["compiled"])]
            say("resnet", f"{dtype} ailab", statistics.median(rates["ailab"]), "images/s",
                paired(rates["ailab"], best), "the best of Python")


if __name__ == "__main__":
    main(*sys.argv[1:])
