"""Prints the reference numbers of schedules_test.cpp and losses_test.cpp, from PyTorch.

Run it with the tests' Python: .deps/python/bin/python tests/unit/builtin/reference.py
"""
import torch
from torch import nn

torch.set_printoptions(precision=17)


def parameters():
    return [
        torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([[1.0, -0.25], [0.125, 3.0]], dtype=torch.float64, requires_grad=True),
    ]


print("// schedules: t = 0 … 8, base 0.5")
for name, make in {
    "StepLR": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=3, gamma=0.5),
    "CosineAnnealingLR": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(
        o, T_max=5, eta_min=0.1),
}.items():
    optimizer = torch.optim.SGD(parameters(), lr=0.5)
    schedule = make(optimizer)
    values = []
    for _ in range(9):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    print(f'    {{"{name}", {{{", ".join(map(repr, values))}}}}},')

print("// losses: value and gradient of the first three scores")
scores = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-2.0, 0.0, 1.0], [0.1, 0.2, 0.3]]
targets = [2, 0, 1, 2]
for name, loss in {
    "plain": nn.CrossEntropyLoss(),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
    "weight": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)),
    "smoothing": nn.CrossEntropyLoss(label_smoothing=0.1),
    "ignore": nn.CrossEntropyLoss(ignore_index=1),
    "all": nn.CrossEntropyLoss(
        weight=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), label_smoothing=0.2,
        ignore_index=0),
}.items():
    x = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    value = loss(x, torch.tensor(targets))
    value.backward()
    print(f'    {{"{name}", {value.item()!r}, {{{", ".join(map(repr, x.grad[0].tolist()))}}}}},')

print("// spatial: [2, 3, 2] scores with targets [2, 2], weight and ignore_index")
x = torch.tensor(scores, dtype=torch.float64).reshape(2, 3, 2)
y = torch.tensor([[2, 0], [1, 2]])
print(repr(nn.CrossEntropyLoss()(x, y).item()))
print(repr(nn.CrossEntropyLoss(
    weight=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), ignore_index=0)(x, y).item()))
