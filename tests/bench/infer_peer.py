"""ResNet-18 over a folder of images in Python, run by tests/bench/infer.py: `infer_peer.py weights FILE` writes random
weights, `infer_peer.py infer WEIGHTS FOLDER BATCH` prints a JSON line an image as soon as its batch is done. Two
threads decode ahead while the model runs."""
import concurrent.futures
import json
import pathlib
import sys

import torch
import torchvision
from PIL import Image
from torchvision import transforms


def infer(weights, folder, batch_size):
    torch.set_num_threads(2)
    model = torchvision.models.resnet18()
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval().to(memory_format=torch.channels_last)
    prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                  transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    files = sorted(str(path) for path in pathlib.Path(folder).rglob("*.jpg"))
    batches = [files[i:i + batch_size] for i in range(0, len(files), batch_size)]

    def load(names):
        images = torch.stack([prepare(Image.open(name).convert("RGB")) for name in names])
        return images.contiguous(memory_format=torch.channels_last)

    with concurrent.futures.ThreadPoolExecutor(2) as pool, torch.inference_mode():
        ahead = [pool.submit(load, names) for names in batches[:3]]
        for i, names in enumerate(batches):
            images = ahead.pop(0).result()
            if i + 3 < len(batches):
                ahead.append(pool.submit(load, batches[i + 3]))
            top = model(images).softmax(1).topk(5)
            for name, values, indices in zip(names, top.values.tolist(), top.indices.tolist()):
                print(json.dumps({"file": name, "top": list(zip(indices, values))}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "weights":
        torch.manual_seed(1)
        model = torchvision.models.resnet18()
        # Statistics as if it had seen images, so that the classes are no ties.
        model.train()
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(8, 3, 224, 224))
        torch.save(model.state_dict(), sys.argv[2])
    else:
        infer(sys.argv[2], sys.argv[3], int(sys.argv[4]))
