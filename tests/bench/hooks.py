#!/usr/bin/env python3
"""What each hook costs on overhead.py's MLP (about 200 us an iteration, so a hook that costs 2 us shows as
1 %): alternating whole processes, medians of the pairs against the run without it."""
import statistics
import sys

from bench import Folder, alternate, build, measured, mlp, paired, say

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
TIMER = {"timer": {"type": "BenchTimer"}}
SCHEDULE = {"type": "LrSchedulerHook", "by": "iter", "warmup": "linear", "warmup_iters": 100,
            "scheduler": {"type": "CosineAnnealingLR"}}
ALONE = {
    "logger, interval 50": {"logger": {"type": "LoggerHook", "interval": 50}},
    "logger, interval 10": {"logger": {"type": "LoggerHook", "interval": 10}},
    "metrics of val": {"metrics": {"type": "MetricHook"}},
    "training accuracy": {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train"]}}},
    "checkpoint each epoch": {"checkpoint": {"type": "CheckpointHook"}},
    "schedule by iteration": {"lr_scheduler": SCHEDULE},
    "tensorboard": {"tensorboard": {"type": "TensorboardHook"}},
    "wandb, offline": {"wandb": {"type": "WandbHook", "init_args": {"project": "bench", "mode": "offline"}}},
    "progress bar": {"progress": {"type": "ProgressHook", "mode": "bar"}},
    "ema": {"ema": {"type": "EMAHook"}},
    "nan_guard": {"nan_guard": {"type": "NanGuardHook"}},
    "early_stop": {"metrics": {"type": "MetricHook"},
                   "early_stop": {"type": "EarlyStopHook", "monitor": "top1", "patience": 100}},
}
SECTIONS = {"clipping by norm": {"clip_grad": {"max_norm": 1.0}}}

build()
with Folder() as folder:
    run = lambda words: lambda: measured(words)["us_per_iteration"]
    cases = {"none": run(mlp(folder, "none", TIMER))}
    for i, (name, hooks) in enumerate(ALONE.items()):
        cases[name] = run(mlp(folder, f"hook{i}", {**hooks, **TIMER}))
    for i, (name, sections) in enumerate(SECTIONS.items()):
        cases[name] = run(mlp(folder, f"section{i}", TIMER, **sections))
    times = alternate(cases, PAIRS)
for name in cases:
    say("hooks", name, statistics.median(times[name]), "us/iteration", paired(times[name], times["none"]), "none")
