"""Small data and weights in the places that configs/ names, for where the real ones are not at hand."""
import pickle
import subprocess

import numpy
import torch
import torchvision
from harness import SOURCE
from PIL import Image


def fashion_mnist_images(folder, count):
    """data/fashion_mnist: the real data set as image files, `count` of each part."""
    subprocess.run([SOURCE / "scripts" / "fashion-mnist-images", folder / "data" / "fashion_mnist", str(count)],
                   check=True)


def cifar10(folder, python, count=60):
    """data/cifar10: the archive's files with images of one colour a class, as one of its two versions holds them."""
    random = numpy.random.default_rng(1)
    folder = folder / "data" / "cifar10" / ("cifar-10-batches-py" if python else "cifar-10-batches-bin")
    folder.mkdir(parents=True)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        labels = random.integers(0, 10, count)
        data = random.integers(0, 60, (count, 3072)).astype(numpy.uint8)
        data += (labels * 19).astype(numpy.uint8)[:, None]
        if python:
            with open(folder / name, "wb") as file:
                pickle.dump({b"data": data, b"labels": labels.tolist(), b"batch_label": name.encode()}, file)
        else:
            (folder / f"{name}.bin").write_bytes(
                b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, data)))


def image_folders(folder, count=8):
    """data/images: two classes of photographs, `count` of each in train and val."""
    random = numpy.random.default_rng(1)
    for split in ("train", "val"):
        for label, name in enumerate(("dark", "bright")):
            images = folder / "data" / "images" / split / name
            images.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 100, (90, 120, 3)) + 120 * label
                Image.fromarray(pixels.astype(numpy.uint8)).save(images / f"{i}.jpg")


def resnet50_weights(file):
    """A state_dict of torchvision's, not trained."""
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet50().state_dict(), file)
