"""Writes schedules.json: what torch.optim.lr_scheduler gives when it is stepped a hundred times.

Run it with the tests' Python: .deps/python/bin/python tests/reference/schedules.py
"""
import json
import math
import os
import warnings

import torch
from torch.optim import lr_scheduler

LENGTH = 100
BASE_LRS = [0.1, 0.0037]

# As a configuration has them. An option that ailab alone has a default for is filled in below.
SCHEDULES = [
    {"type": "StepLR", "step_size": 30},
    {"type": "StepLR", "step_size": 7, "gamma": 0.5},
    {"type": "StepLR", "step_size": 1, "gamma": 1.01},
    {"type": "MultiStepLR", "milestones": [30, 80]},
    {"type": "MultiStepLR", "milestones": [60, 5, 20, 20], "gamma": 0.3},
    {"type": "MultiStepLR", "milestones": [0, 99], "gamma": 2.0},
    {"type": "ExponentialLR", "gamma": 0.95},
    {"type": "ExponentialLR", "gamma": 1.02},
    {"type": "ExponentialLR", "gamma": 1.0},
    {"type": "PolynomialLR"},
    {"type": "PolynomialLR", "total_iters": 90, "power": 0.9},
    {"type": "PolynomialLR", "total_iters": 200, "power": 2.5},
    {"type": "LinearLR"},
    {"type": "LinearLR", "start_factor": 0.01, "end_factor": 0.8, "total_iters": 40},
    {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.1, "total_iters": 150},
    {"type": "ConstantLR"},
    {"type": "ConstantLR", "factor": 0.25, "total_iters": 60},
    {"type": "ConstantLR", "factor": 1.0, "total_iters": 1},
    {"type": "CosineAnnealingLR", "T_max": 100},
    {"type": "CosineAnnealingLR", "T_max": 30, "eta_min": 0.001},
    {"type": "CosineAnnealingLR", "T_max": 7, "eta_min": 0.5},
    {"type": "CosineAnnealingLR", "T_max": 1},
    {"type": "CosineAnnealingWarmRestarts", "T_0": 10},
    {"type": "CosineAnnealingWarmRestarts", "T_0": 5, "T_mult": 2, "eta_min": 1e-5},
    {"type": "CosineAnnealingWarmRestarts", "T_0": 1, "T_mult": 3},
    {"type": "OneCycleLR"},
    {"type": "OneCycleLR", "max_lr": 0.5, "pct_start": 0.45, "anneal_strategy": "linear",
     "base_momentum": 0.8, "max_momentum": 0.99, "div_factor": 10.0, "final_div_factor": 100.0},
    {"type": "OneCycleLR", "total_steps": 120, "pct_start": 0.2, "three_phase": True},
    {"type": "OneCycleLR", "three_phase": True, "anneal_strategy": "linear",
     "cycle_momentum": False},
    {"type": "CyclicLR", "max_lr": 0.2, "step_size_up": 9},
    {"type": "CyclicLR", "base_lr": 0.001, "max_lr": 0.2, "step_size_up": 11, "step_size_down": 5,
     "mode": "triangular2", "base_momentum": 0.7, "max_momentum": 0.95},
    {"type": "CyclicLR", "max_lr": 0.2, "step_size_up": 13, "mode": "exp_range", "gamma": 0.98,
     "cycle_momentum": False},
    {"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 10},
    {"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 25, "total_steps": 80, "eta_min": 0.001},
    {"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 0, "total_steps": 200},
    {"type": "ReduceLROnPlateau"},
    {"type": "ReduceLROnPlateau", "mode": "max", "factor": 0.5, "patience": 2, "threshold": 0.05,
     "cooldown": 3, "min_lr": 0.001},
    {"type": "ReduceLROnPlateau", "factor": 0.7, "patience": 0, "threshold": 0.02,
     "threshold_mode": "abs", "eps": 1e-3},
    {"type": "ReduceLROnPlateau", "mode": "max", "patience": 4, "threshold": 0.1,
     "threshold_mode": "abs"},
    {"type": "SequentialLR", "milestones": [5], "schedulers": [
        {"type": "LinearLR", "start_factor": 0.1}, {"type": "CosineAnnealingLR", "T_max": 95}]},
    {"type": "SequentialLR", "milestones": [20, 60], "schedulers": [
        {"type": "ConstantLR", "factor": 0.1, "total_iters": 20},
        {"type": "ExponentialLR", "gamma": 0.9}, {"type": "StepLR", "step_size": 15}]},
    {"type": "SequentialLR", "milestones": [], "schedulers": [
        {"type": "PolynomialLR", "total_iters": 50, "power": 2.0}]},
    {"type": "ChainedScheduler", "schedulers": [
        {"type": "ConstantLR", "factor": 0.1, "total_iters": 20},
        {"type": "ExponentialLR", "gamma": 0.9}]},
    {"type": "ChainedScheduler", "schedulers": [
        {"type": "LinearLR", "start_factor": 0.2, "total_iters": 10},
        {"type": "MultiStepLR", "milestones": [50, 75]},
        {"type": "PolynomialLR", "total_iters": 100, "power": 0.5}]},
    {"type": "ChainedScheduler", "schedulers": [
        {"type": "LinearLR", "start_factor": 0.5, "total_iters": 30},
        {"type": "CosineAnnealingLR", "T_max": 100}]},
]


def make(optimizer, config, base_lr):
    options = {key: value for key, value in config.items() if key != "type"}
    if config["type"] == "OneCycleLR":
        options = {"max_lr": base_lr, "total_steps": LENGTH, **options}
    if config["type"] == "PolynomialLR":
        options = {"total_iters": LENGTH, **options}
    if config["type"] == "CyclicLR":
        options = {"base_lr": base_lr, **options}
    if "schedulers" in options:
        options["schedulers"] = [make(optimizer, part, base_lr) for part in options["schedulers"]]
    if config["type"] == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(**options)
    return getattr(lr_scheduler, config["type"])(optimizer, **options)


def new_optimizer(base_lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base_lr, momentum=0.9)


def observations():
    """A loss that falls, stays, jumps and is not a number once."""
    values = [1 / (1 + 0.2 * t) + 0.3 * math.sin(t) ** 2 / (1 + t // 20) for t in range(LENGTH)]
    values[50] = math.nan
    return values


def trajectory(config, base_lr):
    optimizer = new_optimizer(base_lr)
    schedule = make(optimizer, config, base_lr)
    observed = observations() if config["type"] == "ReduceLROnPlateau" else None
    lrs, momenta = [], []
    for t in range(LENGTH):
        lrs.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if observed is None:
            schedule.step()
        else:
            schedule.step(observed[t])
    return lrs, momenta if config.get("cycle_momentum", config["type"] in
                                      ("OneCycleLR", "CyclicLR")) else None


def warm_up_and_cosine(config, base_lr):
    """Not one of PyTorch's: its cosine after a warm-up by the definition."""
    warm_up, total = config["warmup_steps"], config.get("total_steps", LENGTH)
    cosine = {"type": "CosineAnnealingLR", "T_max": total - warm_up,
              "eta_min": config.get("eta_min", 0.0)}
    after, _ = trajectory(cosine, base_lr)
    lrs = [base_lr * t / warm_up for t in range(warm_up)] + after[:LENGTH - warm_up]
    return [lr if t < total else cosine["eta_min"] for t, lr in enumerate(lrs)], None


def main():
    warnings.simplefilter("ignore")
    cases = []
    for config in SCHEDULES:
        warm = config["type"] == "WarmupAndCosineAnnealingLR"
        for base_lr in BASE_LRS:
            lrs, momenta = (warm_up_and_cosine if warm else trajectory)(config, base_lr)
            case = {"schedule": config, "base_lr": base_lr, "lr": lrs}
            if momenta is not None:
                case["momentum"] = momenta
            cases.append(case)
    # NaN has no form in JSON.
    observed = [None if math.isnan(value) else value for value in observations()]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json")
    with open(path, "w") as file:
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        file.write(f'{{"length":{LENGTH},"observed":{json.dumps(observed)},"cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
