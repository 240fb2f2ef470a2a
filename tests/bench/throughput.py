#!/usr/bin/env python3
"""Images/s of the template's CNN, batch 128, 2 threads, fp32, end to end with shuffling and
normalising: against the bare channels_last step on one resident batch under the same allocator, and
against a plain LibTorch loop (NCHW, glibc's allocator). Alternating processes."""
import statistics
import sys

from bench import FASHION_MNIST, PROGRAMS, Folder, alternate, build, measured, mlp, paired, say

STEPS, WARM_UP = 220, 20


def runs(folder, short=False):
    return {"ailab-run": mlp(
        folder, "cnn", {"timer": {"type": "BenchTimer", "skip": WARM_UP}}, plugins=["minimal_for_tests"],
        number="samples_per_second", model={"type": "SmallCNN", "num_classes": 10}, workflow=[["train", 1]],
        total_epochs=None, total_iters=WARM_UP + 40 if short else STEPS, runtime={"threads": 2},
        data={"train": {"type": "IDX", "root": str(FASHION_MNIST), "train": True, "mean": 0.286, "std": 0.353},
              "train_dataloader": {"batch_size": 128}})}


def main(blocks=10):
    build()
    with Folder() as folder:
        rates = alternate({
            **runs(folder),
            "bare step": lambda: measured([PROGRAMS / "plain_cnn", "step", STEPS])["images_per_second"],
            "plain loop": lambda: measured([PROGRAMS / "plain_cnn", "loop", STEPS])["images_per_second"]}, blocks)
    for against in ("bare step", "plain loop"):
        say("throughput", "ailab-run", statistics.median(rates["ailab-run"]), "images/s",
            paired(rates["ailab-run"], rates[against]), against)
        say("throughput", against, statistics.median(rates[against]), "images/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
