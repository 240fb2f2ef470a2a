"""Writes checkpoints as the original ailab does, from PyTorch's optimizers, after 3 and 5 steps:
original_<optimizer>_<steps>.pth, which tests/unit/plugins/optim/original_checkpoint_test.cpp reads.

Run it with the tests' Python: .deps/python/bin/python tests/reference/original_checkpoints.py
"""
import pathlib

import torch

HERE = pathlib.Path(__file__).parent

OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.02),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
        self.b = torch.nn.Parameter(torch.tensor([[1.0, -0.25], [0.125, 3.0]],
                                                 dtype=torch.float64))


def set_gradients(model, step):
    """Numbers with short binary forms; b gets none in step 1."""
    for k, p in enumerate(model.parameters()):
        n = torch.arange(p.numel(), dtype=p.dtype).reshape(p.shape)
        p.grad = 0.25 * (n + 1 + k) - 0.125 * step * (n - 1)
    if step == 1:
        model.b.grad = None


for name, make in OPTIMIZERS.items():
    model = Model()
    optimizer = make(model.parameters())
    for step in range(5):
        set_gradients(model, step)
        optimizer.step()
        if step + 1 in (3, 5):
            torch.save({"model_state": {"module.model." + k: v
                                        for k, v in model.state_dict().items()},
                        "optimizer_state": optimizer.state_dict(), "epoch": step + 1},
                       HERE / f"original_{name}_{step + 1}.pth")
