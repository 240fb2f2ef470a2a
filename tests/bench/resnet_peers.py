"""ResNet-18 for 32x32 in Python, run by tests/bench/resnet.py: `resnet_peers.py eager|compiled float32|bfloat16
cpu|cuda BATCH WARM_UP STEPS`. channels_last, SGD with momentum, fused; one resident batch, so no loader is measured.
Prints images/s of the steps after the first ones as one line of JSON."""
import json
import sys
import time

import torch
import torchvision


def main(kind, dtype, device, batch, warm_up, steps):
    if device == "cpu":
        torch.set_num_threads(2)
    torch.manual_seed(1)
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,), device=device)
    forward = torch.compile(model) if kind == "compiled" else model
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(warm_up):
        step()
    wait()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    print(json.dumps({"samples_per_second": steps * batch / (time.perf_counter() - begin)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:7]))
