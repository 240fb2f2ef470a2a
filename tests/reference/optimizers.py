"""Writes optimizers.json, the numbers of optimizers_test.cpp and lbfgs_test.cpp: trajectories of
torch.optim's optimizers, and of timm's Lion and LAMB.

Run it with the tests' Python: .deps/python/bin/python tests/reference/optimizers.py

Parameters and gradients follow from their indices (start(), gradient()), in Python and in C++
(optimizer_problem.hpp) by the same formulas.
"""
import json
from pathlib import Path

import timm.optim
import torch

SHAPES = {"matrix": (3, 4), "weight": (2, 1, 2, 2), "vector": (3,)}
STEPS = 100
LEFT_OUT = ("vector", 7)  # this parameter gets no gradient in this step (from 1)


def index(name):
    return torch.arange(torch.Size(SHAPES[name]).numel()).reshape(SHAPES[name]).to(
        torch.get_default_dtype())


def start():
    """The parameters before the first step."""
    return {name: (((5 * index(name) + k) % 13) / 13 - 0.3).requires_grad_()
            for k, name in enumerate(SHAPES)}


def gradient(params, step):
    """Of a quadratic with its own curvature and minimum for each element, plus a periodic noise."""
    for k, (name, p) in enumerate(params.items()):
        n = index(name)
        curvature = 0.5 + 0.25 * (n % 5)
        minimum = ((7 * n) % 11) / 11 - 0.5
        noise = 0.2 * ((3 * n + 5 * step + k) % 7 - 3)
        p.grad = curvature * (p.detach() - minimum) + noise


def numbers(params):
    return torch.cat([p.detach().flatten() for p in params.values()]).tolist()


def torch_optimizer(kind, options, params):
    if kind == "Muon":  # PyTorch's takes matrices alone
        own = {k: v for k, v in options.items() if not k.startswith("adamw_")}
        other = {k[6:]: v for k, v in options.items() if k.startswith("adamw_")}
        return [torch.optim.Muon([params["matrix"]], **own),
                torch.optim.AdamW([params["weight"], params["vector"]], **other)]
    if kind == "LAMB":
        return [timm.optim.Lamb(params.values(), **options)]
    made_by = timm.optim if kind == "Lion" else torch.optim
    return [getattr(made_by, kind)(params.values(), **options)]


def set_momentum(group, value):
    if "momentum" in group:
        group["momentum"] = value
    else:
        group["betas"] = (value, group["betas"][1])


def trajectory(kind, options, dtype, steps, kept, changes, leaves_out):
    """The parameters after each of the `kept` steps. `changes`: what is set before a step."""
    torch.set_default_dtype(dtype)
    params = start()
    optimizers = torch_optimizer(kind, options, params)
    result = {}
    for step in range(1, steps + 1):
        change = changes.get(step, {})
        if "lr_factor" in change:
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] *= change["lr_factor"]
        if "momentum" in change:
            set_momentum(optimizers[0].param_groups[0], change["momentum"])
        gradient(params, step)
        if leaves_out and step == LEFT_OUT[1]:
            params[LEFT_OUT[0]].grad = None
        for optimizer in optimizers:
            optimizer.step()
        if step in kept:
            result[step] = numbers(params)
    return result


CASES = {
    "SGD": [{"lr": 0.1},
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
            {"lr": 0.01, "momentum": 0.9, "nesterov": True, "maximize": True}],
    "Adam": [{"lr": 0.1},
             {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1},
             {"lr": 0.1, "amsgrad": True, "maximize": True}],
    "AdamW": [{"lr": 0.1},
              {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True},
              {"lr": 0.02, "betas": [0.7, 0.9], "eps": 1e-4, "maximize": True}],
    "Adagrad": [{},
                {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1},
                {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}],
    "Adadelta": [{},
                 {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.05},
                 {"lr": 2.0, "rho": 0.95, "maximize": True}],
    "Adamax": [{},
               {"lr": 0.05, "betas": [0.8, 0.9], "eps": 1e-3, "weight_decay": 0.1},
               {"lr": 0.01, "maximize": True, "weight_decay": 0.01}],
    "NAdam": [{},
              {"lr": 0.05, "betas": [0.8, 0.95], "momentum_decay": 0.02, "weight_decay": 0.1},
              {"lr": 0.02, "eps": 1e-4, "weight_decay": 0.1, "decoupled_weight_decay": True,
               "maximize": True}],
    "RAdam": [{"lr": 0.01},
              {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1},
              {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True,
               "maximize": True}],
    "ASGD": [{},
             {"lr": 0.1, "lambd": 0.05, "alpha": 0.5, "t0": 20.0, "weight_decay": 0.02},
             {"lr": 0.02, "t0": 0.0, "maximize": True}],
    "RMSprop": [{},
                {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1, "momentum": 0.8},
                {"lr": 0.01, "alpha": 0.95, "momentum": 0.5, "centered": True,
                 "maximize": True}],
    "Rprop": [{},
              {"lr": 0.05, "etas": [0.3, 1.5], "step_sizes": [1e-3, 0.2]},
              {"lr": 0.01, "maximize": True, "step_sizes": [1e-6, 0.1]}],
    "Adafactor": [{},
                  {"lr": 0.1, "beta2_decay": -0.5, "eps": [1e-4, 0.1], "d": 2.0,
                   "weight_decay": 0.1},
                  {"lr": 0.05, "maximize": True}],
    "Muon": [{},
             {"lr": 0.05, "momentum": 0.8, "nesterov": False, "weight_decay": 0.05,
              "ns_coefficients": [2.0, -1.5, 0.5], "eps": 1e-3, "ns_steps": 3,
              "adamw_lr": 0.02, "adamw_betas": [0.8, 0.95], "adamw_eps": 1e-6,
              "adamw_weight_decay": 0.2},
             {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"}],
    "Lion": [{"lr": 0.01},
             {"lr": 0.02, "betas": [0.8, 0.95], "weight_decay": 0.1, "caution": True},
             {"lr": 0.02, "weight_decay": 0.2, "corrected_weight_decay": True,
              "maximize": True}],
    "LAMB": [{"lr": 0.02},
             {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0,
              "max_grad_norm": None, "grad_averaging": False, "bias_correction": False,
              "always_adapt": True, "trust_clip": True},
             {"lr": 0.05, "weight_decay": 0.1, "caution": True, "decoupled_decay": True,
              "corrected_weight_decay": True, "max_grad_norm": 0.5}],
}
# A momentum schedule and a learning-rate schedule in the middle of the training.
SCHEDULED = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "Adam": {"lr": 0.05},
    "AdamW": {"lr": 0.05},
    "Adamax": {"lr": 0.05},
    "NAdam": {"lr": 0.05},
    "RAdam": {"lr": 0.05},
    "RMSprop": {"lr": 0.01, "momentum": 0.9},
    "Muon": {"lr": 0.05, "weight_decay": 0.1},
    "Lion": {"lr": 0.02, "weight_decay": 0.1, "corrected_weight_decay": True},
    "LAMB": {"lr": 0.05},
    # no momentum; the state of ASGD follows the learning rate
    "ASGD": {"lr": 0.05, "lambd": 0.01},
    "Adagrad": {"lr": 0.1},
}
CHANGES = {30: {"momentum": 0.8}, 50: {"lr_factor": 0.5}, 70: {"momentum": 0.95}}


def case(kind, options, changes):
    if kind in ("ASGD", "Adagrad"):
        changes = {step: change for step, change in changes.items() if "momentum" not in change}
    # timm counts LAMB's steps once for all parameters; ours are counted for each.
    leaves_out = kind != "LAMB"
    run = lambda dtype, steps, kept: trajectory(kind, options, dtype, steps, kept, changes,
                                                leaves_out)
    return {
        "type": kind,
        "options": options,
        "changes": changes,
        "leaves_out": leaves_out,
        "double": run(torch.float64, STEPS, {1, 20, 40, 60, 80, 100}),
        "float": run(torch.float32, 10, {5, 10}),
    }


def losses(name, flat):
    if name == "quartic":
        n = torch.arange(flat.numel()).to(flat)
        return ((0.25 + 0.1 * (n % 4)) * (flat - (n % 3 - 1)) ** 2 + 0.25 * flat ** 4).sum() \
            + flat.mean() ** 2
    return (100 * (flat[1:] - flat[:-1] ** 2) ** 2 + (1 - flat[:-1]) ** 2).sum()  # Rosenbrock's


def lbfgs_case(loss_name, options, steps):
    torch.set_default_dtype(torch.float64)
    params = start()
    optimizer = torch.optim.LBFGS(params.values(), **options)
    evaluations = []

    def closure():
        optimizer.zero_grad()
        loss = losses(loss_name, torch.cat([p.flatten() for p in params.values()]))
        loss.backward()
        evaluations.append(loss.item())
        return loss

    path = []
    for _ in range(steps):
        optimizer.step(closure)
        path.append(numbers(params))
    return {"loss": loss_name, "options": options, "evaluations": evaluations, "path": path}


LBFGS_CASES = [
    ("quartic", {"lr": 0.2, "max_iter": 5}, 6),
    ("quartic", {"lr": 0.5, "history_size": 2, "max_iter": 8, "tolerance_change": 1e-4}, 5),
    ("quartic", {"lr": 0.3, "max_iter": 10, "max_eval": 4, "tolerance_grad": 0.05}, 6),
    ("quartic", {"line_search_fn": "strong_wolfe", "max_iter": 5}, 4),
    ("rosenbrock", {"line_search_fn": "strong_wolfe", "max_iter": 6}, 5),
    ("rosenbrock", {"lr": 2.0, "line_search_fn": "strong_wolfe", "max_iter": 4, "max_eval": 7,
                    "history_size": 3}, 5),
]

if __name__ == "__main__":
    document = {
        "optimizers": [case(kind, options, {}) for kind, sets in CASES.items() for options in sets]
        + [case(kind, options, CHANGES) for kind, options in SCHEDULED.items()],
        "lbfgs": [lbfgs_case(*arguments) for arguments in LBFGS_CASES],
    }
    text = json.dumps(document, separators=(",", ":"))
    Path(__file__).with_suffix(".json").write_text(text.replace('{"type"', '\n{"type"') + "\n")
