"""Prints the reference numbers of optimizers_test.cpp, from PyTorch.

Run it with the tests' Python: .deps/python/bin/python tests/unit/builtin/reference.py
"""
import torch

torch.set_printoptions(precision=17)


def parameters():
    return [
        torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([[1.0, -0.25], [0.125, 3.0]], dtype=torch.float64, requires_grad=True),
    ]


def gradients(params, step):
    """The gradients of step 0, 1, …: numbers with short decimal forms."""
    for k, p in enumerate(params):
        n = torch.arange(p.numel(), dtype=torch.float64).reshape(p.shape)
        p.grad = 0.25 * (n + 1) * (-1) ** (step + k) - 0.125 * step * (n - 1)


OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
    "Adam, weight decay": lambda p: torch.optim.Adam(
        p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, fused=True),
    "Adam, amsgrad, maximize": lambda p: torch.optim.Adam(
        p, lr=0.1, amsgrad=True, maximize=True, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "AdamW, amsgrad": lambda p: torch.optim.AdamW(
        p, lr=0.1, weight_decay=0.2, amsgrad=True, fused=True),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, fused=True),
    "SGD, momentum": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01, fused=True),
    "SGD, nesterov": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, nesterov=True, maximize=True, fused=True),
}

print("// optimizers: parameters after 5 steps; the second one has no gradient in step 2")
for name, make in OPTIMIZERS.items():
    params = parameters()
    optimizer = make(params)
    for step in range(5):
        gradients(params, step)
        if step == 2:
            params[1].grad = None
        optimizer.step()
    numbers = torch.cat([p.detach().flatten() for p in params]).tolist()
    print(f'    {{"{name}", {{{", ".join(map(repr, numbers))}}}}},')

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
