#!/usr/bin/env python3
"""What runtime.recompute saves and costs: vit_b_16 at 224x224, batch 8, 2 threads. The peak of what a forward and a
backward pass hold beside weights, gradients and batch; and the time of a step with AdamW, of alternating processes."""
import json
import statistics
import sys

from bench import Folder, alternate, build, command, measured, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
MODEL = sys.argv[2] if len(sys.argv) > 2 else "vit_b_16"
WARM_UP, STEPS, BATCH = 2, 6, 8


def run(folder, name, recompute, hook, steps, runtime=None, **sections):
    config = {
        "seed": 1, "work_dir": str(folder / name), "model": {"type": MODEL, "num_classes": 1000},
        "data": {"train": {"type": "Synthetic", "size": 128, "shape": [3, 224, 224]},
                 "train_dataloader": {"batch_size": BATCH}},
        "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "AdamW", "lr": 0.001},
        "runtime": {"threads": 2, "recompute": recompute, **(runtime or {})},
        "workflow": [["train", 1]], "total_iters": steps, "hooks": {"bench": hook}, **sections}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config, indent=1))
    return measured(command(path, plugins=["bench_timer", "bench_memory"]))


build()
with Folder() as folder:
    memory = {recompute: run(folder, "memory", recompute, {"type": "BenchMemory"}, 2, {"allocator": "system"},
                             accumulative_counts=2)["activations_mb"] for recompute in (False, True)}
    say("recompute", f"{MODEL} activations", memory[False], "MB")
    say("recompute", f"{MODEL} activations, recomputed", memory[True], "MB", memory[True] / memory[False], "kept")

    def seconds(recompute):
        hook = {"type": "BenchTimer", "skip": WARM_UP}
        return lambda: BATCH / run(folder, "time", recompute, hook, WARM_UP + STEPS)["samples_per_second"]

    times = alternate({"kept": seconds(False), "recomputed": seconds(True)}, BLOCKS)
    say("recompute", f"{MODEL} step", statistics.median(times["kept"]), "s")
    say("recompute", f"{MODEL} step, recomputed", statistics.median(times["recomputed"]), "s",
        paired(times["recomputed"], times["kept"]), "kept")
