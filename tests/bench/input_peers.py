"""The image pipeline of tests/bench/input.py in Python, run by it: `input_peers.py pillow|dali FOLDER BATCHES`.
Prints images/s, measured after the first tenth of the batches, as one line of JSON."""
import glob
import json
import sys
import time

BATCH, THREADS = 128, 2
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pillow(folder):
    import torch
    from torchvision import datasets, transforms as t
    data = datasets.ImageFolder(folder, t.Compose([
        t.RandomResizedCrop(224), t.RandomHorizontalFlip(), t.ToTensor(), t.Normalize(MEAN, STD)]))
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=THREADS, drop_last=True,
                                         persistent_workers=True)
    torch.set_num_threads(1)
    while True:
        for images, labels in loader:
            yield images


def dali(folder):
    import nvidia.dali.fn as fn
    import nvidia.dali.types as types
    from nvidia.dali import pipeline_def

    @pipeline_def(batch_size=BATCH, num_threads=THREADS, device_id=None)
    def pipeline():
        encoded, labels = fn.readers.file(file_root=folder, random_shuffle=True)
        images = fn.decoders.image_random_crop(encoded, device="cpu", output_type=types.RGB,
                                               random_area=[0.08, 1.0], random_aspect_ratio=[3 / 4, 4 / 3])
        images = fn.resize(images, size=[224, 224], interp_type=types.INTERP_LINEAR, antialias=True)
        images = fn.crop_mirror_normalize(images, mirror=fn.random.coin_flip(), dtype=types.FLOAT,
                                          mean=[255 * m for m in MEAN], std=[255 * s for s in STD],
                                          output_layout="CHW")
        return images, labels

    built = pipeline()
    built.build()
    while True:
        yield built.run()[0]


def main(name, folder, batches):
    stream = {"pillow": pillow, "dali": dali}[name](folder)
    skipped = max(1, batches // 10)
    for _ in range(skipped):
        next(stream)
    begin = time.perf_counter()
    for _ in range(batches):
        next(stream)
    print(json.dumps({"samples_per_second": batches * BATCH / (time.perf_counter() - begin)}), flush=True)


if __name__ == "__main__":
    assert glob.glob(sys.argv[2] + "/*/*.jpg")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
