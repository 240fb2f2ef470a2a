#!/usr/bin/env python3
"""Images/s of JPEG 500x375 -> RandomResizedCrop 224 -> RandomHorizontalFlip -> Normalize, batches of 128, two
threads: ailab-run's data path (under a model that looks at one pixel), and with decoded images cached, against
Pillow + torchvision in a DataLoader and DALI's CPU pipeline. Alternating processes; ratios are medians of pairs."""
import statistics
import subprocess
import sys

from bench import SOURCE, Folder, Run, alternate, build, measured, paired, say

BATCH = 128
PYTHON = SOURCE / ".deps" / "bench-python" / "bin" / "python"


def run(folder, name, photos, **dataset):
    """Three passes over the photos are timed, after one."""
    batches = photos // BATCH
    return Run(folder, name, {
        "seed": 1, "model": {"type": "OnePixel", "num_classes": 15},
        "data": {"train": {"type": "ImageFolder", "root": str(folder / "photos"), **dataset, "transforms": [
                     {"type": "RandomResizedCrop", "size": 224}, {"type": "RandomHorizontalFlip"},
                     {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]},
                 "train_dataloader": {"batch_size": BATCH, "num_workers": 2}},
        "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.001},
        "workflow": [["train", 1]], "total_iters": 4 * batches, "runtime": {"threads": 1},
        "hooks": {"timer": {"type": "BenchTimer", "skip": batches}}}, plugins=["bench_models"])


def runs(folder, short=False):
    photos = 640 if short else 2560
    subprocess.run([SOURCE / ".deps" / "python" / "bin" / "python", SOURCE / "tests" / "bench" / "photos.py",
                    folder / "photos", str(photos)], check=True)
    return {"ailab": run(folder, "files", photos), "ailab cached": run(folder, "cached", photos, cache_gb=4)}


def main(blocks=5):
    build()
    subprocess.run([SOURCE / "scripts" / "lib" / "make-bench-python"], check=True, stdout=sys.stderr)
    with Folder() as folder:
        ours = runs(folder)
        peer = lambda name: lambda: measured([PYTHON, SOURCE / "tests" / "bench" / "input_peers.py", name,
                                              folder / "photos", 60])["samples_per_second"]
        rates = alternate({**ours, "pillow": peer("pillow"), "dali": peer("dali")}, blocks)
    for case, values in rates.items():
        say("input", case, statistics.median(values), "images/s")
    for case in ours:
        for against in ("pillow", "dali"):
            say("input", case, statistics.median(rates[case]), "images/s", paired(rates[case], rates[against]), against)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
