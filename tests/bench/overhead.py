#!/usr/bin/env python3
"""What the runner costs: the MLP 784-64-10, batch 32, one thread, data in memory. The run with logger
(interval 50), metrics (val), checkpoints (each epoch), tensorboard (scalars, interval 50) and the progress bar, against the run without them, and against a
plain LibTorch loop that does the same work (index, convert, normalise, forward, backward, fused Adam).
Alternating whole processes of some epochs each, timed as iteration_times.hpp says; medians of the pairs."""
import statistics
import sys

from bench import PROGRAMS, Folder, alternate, build, measured, mlp, paired, say

TIMER = {"timer": {"type": "BenchTimer"}}
HOOKS = {"logger": {"type": "LoggerHook", "interval": 50}, "metrics": {"type": "MetricHook"},
         "checkpoint": {"type": "CheckpointHook", "interval": 1}, "tensorboard": {"type": "TensorboardHook", "interval": 50},
         "progress": {"type": "ProgressHook", "mode": "bar"}, **TIMER}


def runs(folder, short=False):
    length = {"total_epochs": 2 if short else 4}
    return {"with hooks": mlp(folder, "with", HOOKS, **length), "without hooks": mlp(folder, "without", TIMER, **length)}


def main(pairs=20):
    build()
    with Folder() as folder:
        times = alternate({**runs(folder), "plain": lambda: measured([PROGRAMS / "plain_mlp", 4])["us_per_iteration"]},
                          pairs)
    for case, against in (("with hooks", "without hooks"), ("with hooks", "plain"), ("without hooks", "plain")):
        say("overhead", case, statistics.median(times[case]), "us/iteration",
            paired(times[case], times[against]), against)
    say("overhead", "plain", statistics.median(times["plain"]), "us/iteration")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
