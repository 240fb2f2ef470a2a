#!/usr/bin/env python3
"""Process start to the end of the first training step, and the peak memory, of the MLP on uncompressed
IDX files; against a program that only loads libtorch_cpu and runs one matrix product."""
import gzip
import json
import os
import statistics
import subprocess
import sys
import time

from bench import FASHION_MNIST, PROGRAMS, Folder, build, environment, mlp, say

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def timed(words):
    begin = time.monotonic()
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment())
    out = process.stdout.readline()
    seconds = time.monotonic() - begin
    err = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(err)
    return seconds, usage.ru_maxrss / 1024, out


build()
with Folder() as folder:
    files = {}
    for part in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        files[part] = folder / part
        files[part].write_bytes(gzip.decompress((FASHION_MNIST / f"{part}.gz").read_bytes()))
    data = {"type": "IDX", "images": str(files["train-images-idx3-ubyte"]),
            "labels": str(files["train-labels-idx1-ubyte"]), "mean": 0.286, "std": 0.353}
    words = mlp(folder, "start", {"timer": {"type": "BenchTimer", "skip": 0}},
                data={"train": data, "train_dataloader": {"batch_size": 32}}, workflow=[["train", 1]],
                total_epochs=None, total_iters=1).words()
    floor, first, memory = [], [], []
    for _ in range(RUNS):
        floor.append(timed([PROGRAMS / "startup_floor"])[0])
        _, peak, out = timed(words)
        first.append(json.loads(out.strip().splitlines()[-1])["first_step"])
        memory.append(peak)
say("startup", "floor", statistics.median(floor), "s")
say("startup", "first step", statistics.median(first), "s",
    statistics.median(a / b for a, b in zip(first, floor)), "floor")
say("startup", "peak memory", statistics.median(memory), "MB")
