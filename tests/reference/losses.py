"""Writes losses.json: values and gradients of losses in float64, from PyTorch and torchvision.

A case: a configuration, inputs, the loss over all samples, and its gradient by each input that has
one. Losses that PyTorch does not have are written out here, as their papers give them.

Run it with the tests' Python: .deps/python/bin/python tests/reference/losses.py
"""
import json
import math
import pathlib

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
N, C = 6, 4  # samples, classes
generator = torch.Generator().manual_seed(7)
cases = []


def numbers(*shape, low=-2.0, high=2.0):
    """Uniform numbers with short decimal forms."""
    values = torch.rand(*shape, generator=generator) * (high - low) + low
    return torch.round(values, decimals=3)


def integers(*shape, high=C):
    return torch.randint(high, shape, generator=generator)


def signs(*shape):
    return integers(*shape, high=2) * 2.0 - 1


def distributions(*shape):
    return F.softmax(numbers(*shape), dim=1)


def case(config, function, samples=None, splits=True, **inputs):
    """`samples`: the dimension of the samples by input, where it is not 0."""
    leaves = {name: value.clone().requires_grad_(value.is_floating_point() and name != "target")
              for name, value in inputs.items()}
    value = function(**leaves)
    value.backward()
    assert math.isfinite(value.item()), config
    cases.append({
        "config": config,
        "inputs": {name: {"shape": list(t.shape), "integers": not t.is_floating_point(),
                          "data": t.flatten().tolist()} for name, t in inputs.items()},
        "samples": samples or {},
        "splits": splits,
        "value": value.item(),
        "gradients": {name: t.grad.flatten().tolist() for name, t in leaves.items()
                      if t.grad is not None},
    })


def tensors(options):
    """Lists are tensors in PyTorch."""
    return {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}


def torch_cases(name, option_sets, inputs, order=None):
    """A loss of torch.nn with each set of options; `inputs()` makes them anew each time."""
    for options in option_sets:
        fields = inputs()
        loss = getattr(nn, name)(**tensors(options))
        names = order or list(fields)
        case({"type": name, **options}, lambda **t: loss(*[t[n] for n in names]), **fields)


SUM = {"reduction": "sum"}


# ---- over classes

WEIGHT = [1.0, 2.0, 0.5, 0.25]

for name, prepare in (("CrossEntropyLoss", lambda x: x),
                      ("NLLLoss", lambda x: F.log_softmax(x, dim=1))):
    option_sets = [{}, SUM, {"weight": WEIGHT}, {"ignore_index": 1},
                   {"weight": WEIGHT, "ignore_index": 2}, {"weight": WEIGHT, **SUM}]
    if name == "CrossEntropyLoss":
        option_sets += [{"label_smoothing": 0.1},
                        {"label_smoothing": 0.2, "weight": WEIGHT, "ignore_index": 0}]
    torch_cases(name, option_sets,
                lambda: {"output": prepare(numbers(N, C)), "target": integers(N)})
    torch_cases(name, [{}, {"weight": WEIGHT, "ignore_index": 3}],
                lambda: {"output": prepare(numbers(N, C, 2, 2)), "target": integers(N, 2, 2)})

for shape in ((N, C), (N, C, 3)):
    torch_cases("CrossEntropyLoss",
                [{}, SUM, {"weight": WEIGHT}, {"weight": WEIGHT, "label_smoothing": 0.3}],
                lambda: {"output": numbers(*shape), "target": distributions(*shape)})


def softmax_focal(output, target, gamma=2.0, alpha=1.0, reduction="mean", ignore_index=None):
    p = torch.softmax(output, dim=1)
    one_hot = F.one_hot(target, C).movedim(-1, 1)
    alpha = torch.as_tensor(alpha).expand(C).reshape(C, *[1] * (output.dim() - 2))
    each = (-alpha * one_hot * (1 - p) ** gamma * torch.log(p)).sum(dim=1)
    each = each[target != ignore_index] if ignore_index is not None else each
    return each.mean() if reduction == "mean" else each.sum()


for options in ({}, {"gamma": 0.5, "alpha": 0.25}, {"alpha": WEIGHT}, {"gamma": 0.0},
                {"alpha": WEIGHT, "gamma": 3.0, "ignore_index": 1}, SUM):
    for shape in ((N,), (N, 2, 2)):
        case({"type": "FocalLoss", **options},
             lambda output, target: softmax_focal(output, target, **options),
             output=numbers(N, C, *shape[1:]), target=integers(*shape))

for options in ({}, {"alpha": 0.6, "gamma": 1.5}, {"alpha": -1.0}, SUM):
    case({"type": "FocalLoss", "activation": "sigmoid", **options},
         lambda output, target: torchvision.ops.sigmoid_focal_loss(
             output, target, **{"reduction": "mean", **options}),
         output=numbers(N, C), target=integers(N, C, high=2).double())


def dice(p, g, counts, smooth=1.0, reduction="mean"):
    losses = []
    for n in range(N):
        by_class = []
        for c in range(p.shape[1]):
            both = (p[n, c] * g[n, c] * counts[n, c]).sum()
            sizes = (p[n, c] * counts[n, c]).sum() + (g[n, c] * counts[n, c]).sum()
            by_class.append(1 - (2 * both + smooth) / (sizes + smooth))
        losses.append(sum(by_class) / len(by_class))
    return sum(losses) / N if reduction == "mean" else sum(losses)


for options in ({}, {"smooth": 0.1}, {"ignore_index": 2, "smooth": 0.5}, SUM):
    rest = {k: v for k, v in options.items() if k != "ignore_index"}
    for shape in ((), (3,), (2, 2)):
        case({"type": "DiceLoss", **options},
             lambda output, target: dice(
                 torch.softmax(output, 1), F.one_hot(target, C).movedim(-1, 1),
                 (target != options.get("ignore_index", -1)).unsqueeze(1).expand_as(output),
                 **rest),
             output=numbers(N, C, *shape), target=integers(N, *shape))

for options in ({}, {"smooth": 0.1}, {"ignore_index": 255}):
    target = integers(N, 1, 3, 2, high=2)
    if "ignore_index" in options:
        target[integers(N, 1, 3, 2) == 0] = 255
    rest = {k: v for k, v in options.items() if k != "ignore_index"}
    case({"type": "DiceLoss", "activation": "sigmoid", **options},
         lambda output, target: dice(
             torch.sigmoid(output), target, target != options.get("ignore_index", -1), **rest),
         output=numbers(N, 1, 3, 2), target=target)


def hard_pixels(output, target, thresh=0.7, min_kept=100000, ignore_index=255):
    each = F.cross_entropy(output, target, reduction="none", ignore_index=ignore_index)
    each = each[target != ignore_index].sort(descending=True).values
    return each[:max(int((each > thresh).sum()), min(min_kept, len(each)))].mean()


for options in ({}, {"min_kept": 5}, {"min_kept": 5, "thresh": 2.0}, {"min_kept": 12, "thresh": 3.0},
                {"min_kept": 4, "thresh": 1.0, "ignore_index": 2}):
    case({"type": "OHEMCrossEntropyLoss", **options},
         lambda output, target: hard_pixels(output, target, **options),
         splits=False, output=numbers(N, C, 2, 2), target=integers(N, 2, 2))


# ---- number by number

for name, option_sets in {
    "MSELoss": [{}, SUM],
    "L1Loss": [{}, SUM],
    "SmoothL1Loss": [{}, {"beta": 0.5}, {"beta": 0.0}, {"beta": 2.0, **SUM}],
    "HuberLoss": [{}, {"delta": 0.5}, {"delta": 2.0, **SUM}],
    "PoissonNLLLoss": [{}, {"full": True}, SUM],
}.items():
    positive = {"low": 0.0, "high": 6.0} if name == "PoissonNLLLoss" else {}
    torch_cases(name, option_sets,
                lambda: {"output": numbers(N, 3), "target": numbers(N, 3, **positive)})

torch_cases("PoissonNLLLoss", [{"log_input": False}, {"log_input": False, "eps": 0.1, "full": True}],
            lambda: {"output": numbers(N, 3, low=0.1), "target": integers(N, 3, high=5)})

torch_cases("KLDivLoss", [{}, SUM, {"reduction": "batchmean"}],
            lambda: {"output": F.log_softmax(numbers(N, C), dim=1),
                     "target": distributions(N, C)})
torch_cases("KLDivLoss", [{"log_target": True}, {"log_target": True, "reduction": "batchmean"}],
            lambda: {"output": F.log_softmax(numbers(N, C), dim=1),
                     "target": torch.log(distributions(N, C))})

for shape in ((N, 3), (N, 1), (N,)):
    torch_cases("GaussianNLLLoss", [{}, {"full": True, "eps": 1.0}, SUM],
                lambda: {"output": numbers(N, 3), "target": numbers(N, 3),
                         "var": numbers(*shape, low=0.2, high=3.0)})


# ---- yes and no

def probabilities():
    return {"output": numbers(N, C, low=0.05, high=0.95), "target": numbers(N, C, low=0, high=1)}


def yes_and_no(*shape):
    return lambda: {"output": numbers(N, *shape), "target": integers(N, *shape, high=2).double()}


torch_cases("BCELoss", [{}, SUM, {"weight": WEIGHT}, {"weight": WEIGHT, **SUM}], probabilities)
torch_cases("BCEWithLogitsLoss",
            [{}, SUM, {"weight": WEIGHT}, {"pos_weight": WEIGHT},
             {"weight": WEIGHT, "pos_weight": WEIGHT, **SUM}], yes_and_no(C))
for options in ({}, {"pos_weight": WEIGHT}, {"weight": WEIGHT}):  # one a class of [N, classes, …]
    in_torch = {k: torch.tensor(v).reshape(C, 1, 1) for k, v in options.items()}
    case({"type": "BCEWithLogitsLoss", **options},
         lambda output, target: nn.BCEWithLogitsLoss(**in_torch)(output, target),
         **yes_and_no(C, 2, 2)())
torch_cases("MultiLabelSoftMarginLoss", [{}, SUM, {"weight": WEIGHT}], yes_and_no(C))


# ---- margins

torch_cases("HingeEmbeddingLoss", [{}, {"margin": 0.5}, SUM],
            lambda: {"output": numbers(N, 2), "target": signs(N, 2)})
torch_cases("SoftMarginLoss", [{}, SUM], lambda: {"output": numbers(N, 3), "target": signs(N, 3)})
torch_cases("MarginRankingLoss", [{}, {"margin": 0.7}, {"margin": -0.2, **SUM}],
            lambda: {"input1": numbers(N), "input2": numbers(N), "target": signs(N)})
torch_cases("MultiMarginLoss",
            [{}, {"p": 2}, {"margin": 0.4, "weight": WEIGHT}, {"p": 2, "weight": WEIGHT, **SUM}],
            lambda: {"output": numbers(N, C), "target": integers(N)})
torch_cases("MultiLabelMarginLoss", [{}, SUM],
            lambda: {"output": numbers(N, C),
                     "target": torch.tensor([[3, 0, -1, 1], [1, -1, 0, 0], [0, 1, 2, 3],
                                             [-1, 2, 2, 2], [2, 1, -1, -1], [3, 2, 1, -1]])})


# ---- embeddings

torch_cases("CosineEmbeddingLoss", [{}, {"margin": 0.3}, {"margin": -0.5, **SUM}],
            lambda: {"input1": numbers(N, 5), "input2": numbers(N, 5), "target": signs(N)})


def triplets():
    return {"anchor": numbers(N, 5), "positive": numbers(N, 5), "negative": numbers(N, 5)}


torch_cases("TripletMarginLoss", [{}, {"margin": 0.5, "swap": True}, {"p": 1.0, **SUM},
                                  {"p": 3.0, "eps": 1e-3}], triplets)
DISTANCES = {
    "pairwise_distance": nn.PairwiseDistance(),
    "squared_distance": lambda a, b: ((a - b) ** 2).sum(dim=-1),
    "cosine_distance": lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1),
}
for distance, options in (("pairwise_distance", {}), ("squared_distance", {"swap": True}),
                          ("cosine_distance", {"margin": 0.3}), ("cosine_distance", SUM)):
    loss = nn.TripletMarginWithDistanceLoss(distance_function=DISTANCES[distance], **options)
    case({"type": "TripletMarginWithDistanceLoss", "distance_function": distance, **options},
         lambda **t: loss(**t), **triplets())


# ---- sequences

def sequences(batch_first=False, lengths=(7, 6, 7, 5, 7, 6)):
    log_probs = F.log_softmax(numbers(7, N, C), dim=2)
    return {"log_probs": log_probs.transpose(0, 1).contiguous() if batch_first else log_probs,
            "targets": integers(N, 3, high=C - 1) + 1,
            "input_lengths": torch.tensor(lengths),
            "target_lengths": torch.tensor([3, 1, 2, 0, 3, 2])}


for options in ({}, SUM, {"zero_infinity": True}, {"blank": 3}, {"batch_first": True}):
    given = dict(options)
    first = given.pop("batch_first", False)
    fields = sequences(first, (7, 6, 7, 5, 2, 6) if "zero_infinity" in options else (7, 6, 7, 5, 7, 6))
    if "zero_infinity" in options:
        fields["targets"][4] = torch.tensor([1, 1, 1])  # too long for its input
    if "blank" in options:
        fields["targets"] -= 1
    loss = nn.CTCLoss(**given)
    case({"type": "CTCLoss", **options},
         lambda log_probs, targets, input_lengths, target_lengths: loss(
             log_probs.transpose(0, 1) if first else log_probs, targets, input_lengths,
             target_lengths),
         samples={} if first else {"log_probs": 1}, **fields)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(f"{path}: {len(cases)} cases, {path.stat().st_size / 1000:.0f} kB")
