"""ResNet-18 for 32x32 in Python, run by tests/bench/resnet.py: `resnet_peers.py eager|compiled float32|bfloat16
STEPS`. channels_last, SGD with momentum, foreach kernels by PyTorch's defaults; one resident batch, so no loader
is measured. Prints images/s of the steps after the first ones as one line of JSON."""
import json
import sys
import time

import torch
import torchvision

BATCH, WARM_UP = 64, 3


def main(kind, dtype, steps):
    torch.set_num_threads(2)
    torch.manual_seed(1)
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))
    forward = torch.compile(model) if kind == "compiled" else model

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(WARM_UP):
        step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    print(json.dumps({"samples_per_second": steps * BATCH / (time.perf_counter() - begin)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
