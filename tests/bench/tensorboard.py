#!/usr/bin/env python3
"""What TensorboardHook costs: overhead.py's MLP with it, at its default interval of 10 iterations and at 50,
against the run without it. Alternating whole processes; medians of the pairs."""
import statistics
import sys

from bench import Folder, alternate, build, mlp, paired, say

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
TIMER = {"timer": {"type": "BenchTimer"}}
CASES = {"without": TIMER,
         "interval 10": {"tensorboard": {"type": "TensorboardHook"}, **TIMER},
         "interval 50": {"tensorboard": {"type": "TensorboardHook", "interval": 50}, **TIMER}}

build()
with Folder() as folder:
    times = alternate({case: mlp(folder, case.replace(" ", "_"), hooks) for case, hooks in CASES.items()}, PAIRS)
for case in CASES:
    say("tensorboard", case, statistics.median(times[case]), "us/iteration",
        paired(times[case], times["without"]), "without")
