#!/usr/bin/env python3
"""Images/s of JPEG 500x375 -> RandomResizedCrop 224 -> RandomHorizontalFlip -> Normalize, batches of 128, two
threads: ailab-run's data path (under a model that looks at one pixel), and with decoded images cached, against
Pillow + torchvision in a DataLoader and DALI's CPU pipeline. Alternating processes; ratios are medians of pairs."""
import json
import statistics
import subprocess
import sys

from bench import SOURCE, Folder, alternate, build, command, measured, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
PHOTOS, BATCH = 2560, 128
BATCHES = 3 * PHOTOS // BATCH
PYTHON = SOURCE / ".deps" / "bench-python" / "bin" / "python"


def ours(folder, name, **dataset):
    config = {
        "seed": 1, "work_dir": str(folder / name), "model": {"type": "OnePixel", "num_classes": 15},
        "data": {"train": {"type": "ImageFolder", "root": str(folder / "photos"), **dataset, "transforms": [
                     {"type": "RandomResizedCrop", "size": 224}, {"type": "RandomHorizontalFlip"},
                     {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]},
                 "train_dataloader": {"batch_size": BATCH, "num_workers": 2}},
        "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.001},
        "workflow": [["train", 1]], "total_iters": PHOTOS // BATCH + BATCHES, "runtime": {"threads": 1},
        "hooks": {"timer": {"type": "BenchTimer", "skip": PHOTOS // BATCH}}}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config, indent=1))
    return command(path, plugins=["bench_models", "bench_timer"])


build()
subprocess.run([SOURCE / "scripts" / "lib" / "make-bench-python"], check=True, stdout=sys.stderr)
with Folder() as folder:
    subprocess.run([PYTHON, SOURCE / "tests" / "bench" / "photos.py", folder / "photos", str(PHOTOS)], check=True)
    peer = lambda name: lambda: measured([PYTHON, SOURCE / "tests" / "bench" / "input_peers.py", name,
                                          folder / "photos", BATCHES])["samples_per_second"]
    run = lambda words: lambda: measured(words)["samples_per_second"]
    rates = alternate({"ailab": run(ours(folder, "files")), "ailab cached": run(ours(folder, "cached", cache_gb=4)),
                       "pillow": peer("pillow"), "dali": peer("dali")}, BLOCKS)
for case, values in rates.items():
    say("input", case, statistics.median(values), "images/s")
for case in ("ailab", "ailab cached"):
    for against in ("pillow", "dali"):
        say("input", case, statistics.median(rates[case]), "images/s", paired(rates[case], rates[against]), against)
