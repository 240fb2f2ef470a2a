"""Four ranks over a folder of images of which one in a hundred is broken, each in another way: the run ends in step,
counts them right, names each, and its metrics are those of the set without them. And memory does not grow."""
import io
import json
import os
import pathlib
import struct
import subprocess
import time
import zlib

import numpy
from harness import RunFolder, TestCase, command, environment, mpirun
from PIL import Image

CLASSES = ("a", "b", "c", "d")
EACH = 250
NORMALIZE = {"type": "Normalize", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def encoded(random, label, form):
    pixels = random.integers(0, 120, (32, 32, 3)) + 40 * label
    out = io.BytesIO()
    Image.fromarray(pixels.astype(numpy.uint8)).save(out, form)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png():
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def broken_kinds(random):
    """Ways in which an image cannot be used at all: a function that puts it at a path, by name."""
    def put(data):
        return lambda path: path.write_bytes(data)
    jpeg, png = encoded(random, 0, "JPEG"), encoded(random, 0, "PNG")
    damaged = bytearray(png)
    damaged[20] ^= 0xFF  # in the header, whose checksum then fails
    return {
        "empty": put(b""),
        "text": put(b"this is no image\n" * 40),
        "folder": lambda path: path.mkdir(),
        "dangling link": lambda path: path.symlink_to("nowhere.jpg"),
        "cut before its header ends": put(jpeg[:60]),
        "100,000 pixels wide": put(huge_png()),
        "damaged header": put(bytes(damaged)),
        "zeros": put(b"\0" * 2000),
        "only a signature": put(png[:8]),
        "another format": put(b"GIF89a" + b"\1\0\1\0" * 20),
    }


class BrokenImages(TestCase):
    def setUp(self):
        super().setUp()
        random = numpy.random.default_rng(1)
        kinds = broken_kinds(random)
        self.broken = []
        for name in ("clean", "dirty"):
            for label in CLASSES:
                (self.folder / name / label).mkdir(parents=True)
        for label, name in enumerate(CLASSES):
            for i in range(EACH):
                data = encoded(random, label, "JPEG" if i % 2 else "PNG")
                for folder in ("clean", "dirty"):
                    (self.folder / folder / name / f"{i:03}.jpg").write_bytes(data)
        for i, (kind, make) in enumerate(kinds.items()):
            path = self.folder / "dirty" / CLASSES[i % 4] / f"{17 * i:03}-{i}.jpg"
            make(path)
            if path.is_dir():  # the record source looks into folders: one with an image's name is none
                continue
            self.broken.append(path)
        # Cut in the middle: used as far as it goes.
        whole = encoded(random, 1, "JPEG")
        self.cut = self.folder / "dirty" / "b" / "200-cut.jpg"
        self.cut.write_bytes(whole[:len(whole) * 3 // 4])

    def config(self, name, folder, **sections):
        data = {"type": "ImageFolder", "root": str(self.folder / folder), "transforms": [NORMALIZE]}
        config = {
            "seed": 3, "work_dir": str(self.folder / name), "model": {"type": "lenet5", "num_classes": 4, "in_channels": 3, "image_size": 32},
            "data": {"train": data, "val": data,
                     "train_dataloader": {"global_batch_size": 32},
                     "val_dataloader": {"batch_size": 50, "on_error": "skip"}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.01},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": 2,
            "hooks": {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"}},
                      "logger": {"type": "LoggerHook", "interval": 1}}}
        config.update(sections)
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def test_four_ranks_stay_in_step_and_count_right(self):
        result = mpirun(4, command(self.config("work", "dirty")), timeout=200)
        self.assertDone(result)
        left_out, total = len(self.broken), 4 * EACH + len(self.broken) + 1
        self.assertIn(f"data.train: {left_out} of {total} samples were left out, 1 used though damaged", result.err)
        self.assertIn(f"data.val: {left_out} of {total} samples were left out, 1 used though damaged", result.err)
        run = (self.folder / "work" / "latest").resolve()
        named = [json.loads(line) for line in open(run / "broken_samples.jsonl")]
        text = json.dumps(named)
        for path in [*self.broken, self.cut]:
            self.assertIn(path.name, text)
        self.assertEqual(len(RunFolder(self.folder / "work").lines("train")), 2 * -(-total // 32))

    def test_metrics_are_those_of_the_set_without_them(self):
        self.cut.unlink()  # it is used, so the sets would differ by it
        values = {}
        for name, folder, ranks in (("one", "clean", 1), ("four", "dirty", 4)):
            self.assertDone(mpirun(ranks, command(self.config(name, folder, workflow=[["val", 1]], total_epochs=1)),
                                   timeout=200))
            values[name] = RunFolder(self.folder / name).lines("val")[-1]
        self.assertEqual(values["one"]["top1"], values["four"]["top1"])
        self.assertAlmostEqual(values["one"]["loss"], values["four"]["loss"], places=6)

    def test_fail_names_the_file(self):
        result = mpirun(2, command(self.config("work", "dirty"),
                                   ["data.train_dataloader.on_error=fail", "workflow=[[train, 1]]"]), timeout=200)
        self.assertEqual(result.status, 1, str(result))
        self.assertTrue(any(str(path) in result.err for path in [*self.broken, self.cut]), result.err)

    def test_too_many_end_the_run(self):
        result = mpirun(2, command(self.config("work", "dirty"), ["data.train_dataloader.max_errors=3"]), timeout=200)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("max_errors", result.err)

    def test_memory_descriptors_and_threads_do_not_grow(self):
        """Over 20,000 images, after the first 2,000. What every look at the last epochs shows is compared with the most
        that was seen in the first ones: a file may just be open at one look and not at another."""
        epochs = 22
        config = self.config("work", "clean", workflow=[["train", 1]], total_epochs=epochs,
                             hooks={"logger": {"type": "LoggerHook", "interval": 10}})
        log = open(self.folder / "log", "w")
        process = subprocess.Popen(command(config), stdout=log, stderr=log, env=environment())
        seen = {}
        metrics = None
        while process.poll() is None:
            time.sleep(0.05)
            metrics = next(pathlib.Path(self.folder / "work").glob("*/metrics.jsonl"), None)
            if not metrics or not metrics.exists():
                continue
            lines = metrics.read_text().splitlines()
            epoch = json.loads(lines[-1])["epoch"] if lines and lines[-1].endswith("}") else 0
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                rss = int(status.split("VmRSS:")[1].split()[0])
                threads = int(status.split("Threads:")[1].split()[0])
                files = len(os.listdir(f"/proc/{process.pid}/fd"))
            except (OSError, IndexError):
                continue
            seen.setdefault(epoch, []).append((rss, threads, files))
        log.close()
        self.assertEqual(process.returncode, 0, (self.folder / "log").read_text())
        looks = [[look for epoch in sorted(seen) if epoch in part for look in seen[epoch]]
                 for part in (range(3, 8), range(epochs - 5, epochs))]
        first = [max(values) for values in zip(*looks[0])]
        last = [min(values) for values in zip(*looks[1])]
        self.assertLessEqual(last[0], 1.05 * first[0])
        self.assertLessEqual(last[1:], first[1:])
