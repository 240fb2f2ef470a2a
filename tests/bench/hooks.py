#!/usr/bin/env python3
"""What each hook costs on overhead.py's MLP (about 200 us an iteration, so a hook that costs 2 us shows as
1 %): alternating whole processes, medians of the pairs against the run without it."""
import statistics
import sys

from bench import Folder, alternate, build, mlp, paired, say

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


def runs(folder, short=False):
    length = {"total_epochs": 1 if short else 4}
    found = {"none": mlp(folder, "none", TIMER, **length)}
    for i, (name, hooks) in enumerate(ALONE.items()):
        found[name] = mlp(folder, f"hook{i}", {**hooks, **TIMER}, **length)
    for i, (name, sections) in enumerate(SECTIONS.items()):
        found[name] = mlp(folder, f"section{i}", TIMER, **length, **sections)
    return found


def main(pairs=10):
    build()
    with Folder() as folder:
        times = alternate(runs(folder), pairs)
    for name in times:
        say("hooks", name, statistics.median(times[name]), "us/iteration", paired(times[name], times["none"]), "none")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
