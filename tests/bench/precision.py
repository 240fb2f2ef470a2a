#!/usr/bin/env python3
"""bfloat16 against float32 on the template's CNN, batch 128, 2 threads, channels_last: images/s of alternating
processes, and the accuracy on Fashion-MNIST's test set after one epoch."""
import json
import pathlib
import statistics
import sys

from bench import FASHION_MNIST, NO_BFLOAT16, Folder, alternate, build, has_bfloat16, left_out, mlp, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
STEPS = 220
IMAGES = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353}
AMP = {"amp": {"type": "AMPHook"}}


def cnn(folder, name, hooks, **sections):
    return mlp(folder, name, hooks, plugins=["minimal_for_tests"], number="samples_per_second",
               model={"type": "SmallCNN", "num_classes": 10}, runtime={"threads": 2},
               data={"train": {**IMAGES, "train": True}, "val": {**IMAGES, "train": False},
                     "train_dataloader": {"batch_size": 128}, "val_dataloader": {"batch_size": 250}}, **sections)


if not has_bfloat16():
    left_out("precision", "bfloat16", NO_BFLOAT16)
    sys.exit()
build()
with Folder() as folder:
    timer = {"timer": {"type": "BenchTimer", "skip": 20}}
    short = dict(workflow=[["train", 1]], total_epochs=None, total_iters=STEPS)
    rates = alternate({"float32": cnn(folder, "float32", timer, **short),
                       "bfloat16": cnn(folder, "bfloat16", {**timer, **AMP}, **short)}, BLOCKS)
    for case in rates:
        say("precision", case, statistics.median(rates[case]), "images/s", paired(rates[case], rates["float32"]),
            "float32")
    for case, hooks in (("float32", {}), ("bfloat16", AMP)):
        name = f"accuracy_{case}"
        cnn(folder, name, {"logger": {"type": "LoggerHook", "interval": 1000}, "metrics": {"type": "MetricHook"},
                           "timer": {"type": "BenchTimer"}, **hooks}, total_epochs=1)()
        metrics = pathlib.Path(folder) / name / "latest" / "metrics.jsonl"
        val = [json.loads(line) for line in open(metrics) if '"val"' in line]
        say("precision", f"{case} top1", val[-1]["top1"], "%")
