#!/usr/bin/env python3
"""Images/s of the template's CNN, batch 128, 2 threads, fp32, end to end with shuffling and
normalising: against the bare channels_last step on one resident batch under the same allocator, and
against a plain LibTorch loop (NCHW, glibc's allocator). Alternating processes."""
import json
import statistics
import sys

from bench import FASHION_MNIST, PROGRAMS, Folder, alternate, build, command, measured, mlp, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
STEPS = 220

build()
with Folder() as folder:
    mlp(folder, "cnn", {"timer": {"type": "BenchTimer", "skip": 20}},
        model={"type": "SmallCNN", "num_classes": 10}, workflow=[["train", 1]], total_epochs=None,
        total_iters=STEPS, runtime={"threads": 2},
        data={"train": {"type": "IDX", "root": str(FASHION_MNIST), "train": True, "mean": 0.286, "std": 0.353},
              "train_dataloader": {"batch_size": 128}})
    ours = command(folder / "cnn.yaml", plugins=["minimal_for_tests", "bench_timer"])
    rates = alternate({
        "ailab-run": lambda: measured(ours)["samples_per_second"],
        "bare step": lambda: measured([PROGRAMS / "plain_cnn", "step", STEPS])["images_per_second"],
        "plain loop": lambda: measured([PROGRAMS / "plain_cnn", "loop", STEPS])["images_per_second"]}, BLOCKS)
for against in ("bare step", "plain loop"):
    say("throughput", "ailab-run", statistics.median(rates["ailab-run"]), "images/s",
        paired(rates["ailab-run"], rates[against]), against)
    say("throughput", against, statistics.median(rates[against]), "images/s")
