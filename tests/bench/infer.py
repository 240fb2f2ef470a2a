#!/usr/bin/env python3
"""Images/s of ResNet-18 over a folder of 2,000 JPEGs of 500x375 (Resize 256, CenterCrop 224, Normalize), from the
start of the process to its end, and seconds to the first result: `ailab-run infer` of an artifact against a Python
script (torchvision, threads that decode, channels_last, inference_mode; the best of several batch sizes), float32,
two threads. Alternating processes; ratios are medians of pairs."""
import json
import statistics
import subprocess
import sys
import time

from bench import BUILD, SOURCE, Folder, alternate, build, environment, paired, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
PHOTOS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
PYTHON = SOURCE / ".deps" / "bench-python" / "bin" / "python"
PEER = SOURCE / "tests" / "bench" / "infer_peer.py"
AILAB = BUILD / "bin" / "ailab-run"


def export(folder):
    """The same random weights for both sides."""
    subprocess.run([PYTHON, PEER, "weights", folder / "weights.pth"], check=True)
    config = folder / "config.yaml"
    config.write_text(json.dumps({
        "model": {"type": "resnet18", "num_classes": 1000}, "total_epochs": 1, "workflow": [["val", 1]],
        "data": {"val": {"type": "ImageFolder", "root": str(folder / "photos"), "transforms": [
            {"type": "Resize", "size": 256}, {"type": "CenterCrop", "size": 224},
            {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]}}}))
    subprocess.run([AILAB, "export", config, folder / "weights.pth", "--to", "artifact", "-o",
                    folder / "model.ailab"], check=True, stdout=sys.stderr)


def timed(words):
    """(images/s, seconds to the first line) of a process that prints a line an image."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment())
    process.stdout.readline()
    first = time.perf_counter() - begin
    lines = 1 + sum(1 for _ in process.stdout)
    took = time.perf_counter() - begin
    if process.wait() != 0 or lines != PHOTOS:
        raise SystemExit(f"{words}: {lines} lines, exit status {process.returncode}\n{process.stderr.read()}")
    return lines / took, first


def agree(ours, theirs):
    """How many files get the same class."""
    def classes(words, read):
        out = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, text=True, check=True, env=environment())
        return [read(json.loads(line)) for line in out.stdout.splitlines()]

    a = classes(ours, lambda line: line["top"][0]["index"])
    b = classes(theirs, lambda line: line["top"][0][0])
    return sum(x == y for x, y in zip(a, b)) / len(a)


build()
subprocess.run([SOURCE / "scripts" / "lib" / "make-bench-python"], check=True, stdout=sys.stderr)
with Folder() as folder:
    subprocess.run([PYTHON, SOURCE / "tests" / "bench" / "photos.py", folder / "photos", str(PHOTOS)], check=True)
    export(folder)
    ours = [AILAB, "infer", folder / "model.ailab", folder / "photos"]
    peer = lambda batch: [PYTHON, PEER, "infer", folder / "weights.pth", folder / "photos", batch]
    say("infer", "same class as Python", agree(ours, peer(16)), "share")
    sweep = {batch: timed(peer(batch))[0] for batch in (1, 4, 8, 16, 32, 64)}
    for batch, rate in sweep.items():
        say("infer", f"python, batch {batch}", rate, "images/s")
    best = max(sweep, key=sweep.get)
    results = alternate({"ailab": lambda: timed(ours), "python": lambda: timed(peer(best))}, BLOCKS)
rates = {name: [rate for rate, _ in values] for name, values in results.items()}
firsts = {name: [first for _, first in values] for name, values in results.items()}
for name in rates:
    ratio = (paired(rates["ailab"], rates["python"]), "python") if name == "ailab" else ()
    say("infer", name, statistics.median(rates[name]), "images/s", *ratio)
    ratio = (paired(firsts["python"], firsts["ailab"]), "python") if name == "ailab" else ()
    say("infer", f"{name}, first result", statistics.median(firsts[name]), "s", *ratio)
