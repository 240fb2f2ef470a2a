"""Targets as data sets give them: mixed by Mixup, masks that are images."""
import json
import struct
import zlib

from harness import FASHION_MNIST, TestCase, RunFolder, call, command, mlp_config, mpirun


def png(path, rows, channels=1):
    """A grey or colored picture from rows of numbers."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, 2 if channels == 3 else 0, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(row) for row in rows)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) +
                     chunk(b"IEND", b""))


class MixedTargets(TestCase):
    def accuracy(self, name, ranks=1, transforms=(), **metric):
        folder = self.folder / name
        folder.mkdir()
        images = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353, "train": True, "limit": 2000}
        config = mlp_config(
            folder, optimizer={"type": "SGD", "lr": 0.0}, workflow=[["train", 1]],
            data={"train": dict(images, transforms=list(transforms)), "train_dataloader": {"global_batch_size": 50}},
            hooks={"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train"], **metric}},
                   "logger": {"type": "LoggerHook", "interval": 100}})
        self.assertDone(mpirun(ranks, command(config, plugins=["mlp"])))
        return RunFolder(folder / "work").lines("train")[-1]["top1"]

    def test_accuracy_of_mixup_is_that_of_the_larger_share(self):
        plain = self.accuracy("plain")
        mixed = self.accuracy("mixed", transforms=[{"type": "Mixup", "alpha": 0.2, "num_classes": 10}])
        # An untrained net of 10 classes; compared label by label it would be above 80.
        self.assertAlmostEqual(mixed, plain, delta=8)
        self.assertLess(mixed, 30)
        self.assertEqual(self.accuracy("named", transforms=[{"type": "Mixup", "alpha": 0.2, "num_classes": 10}],
                                       task="multiclass"), mixed)
        self.assertEqual(self.accuracy("ranks", ranks=2,
                                       transforms=[{"type": "Mixup", "alpha": 0.2, "num_classes": 10}]), mixed)


class DocumentedMasks(TestCase):
    """The `Masks` of docs/data.md, compiled as it stands, with the usual loss and metrics."""

    COLORS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))

    def data(self, name, count):
        """Pictures of stripes; a pixel of each mask is of no class."""
        lines = ["image,mask"]
        for i in range(count):
            classes = [[(x // 2 + y + i) % 3 for x in range(8)] for y in range(6)]
            image, mask = self.folder / f"{name}{i}.png", self.folder / f"{name}{i}_mask.png"
            png(image, [[value for c in row for value in self.COLORS[c]] for row in classes], channels=3)
            classes[0][0] = 255
            png(mask, classes)
            lines.append(f"{image},{mask}")
        (self.folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        return {"type": "Masks", "annotation_file": str(self.folder / f"{name}.csv")}

    def config(self, loss):
        target = {"mapping": {"target": "mask"}}
        path = self.folder / "config.yaml"
        path.write_text(json.dumps({
            "seed": 1, "work_dir": str(self.work),
            "model": {"type": "PixelNet", "mapping": {"input": "image"}},
            "data": {"train": self.data("train", 24), "val": self.data("val", 6),
                     "train_dataloader": {"global_batch_size": 8}, "val_dataloader": {"batch_size": 4}},
            "loss": {**loss, **target}, "optimizer": {"type": "Adam", "lr": 0.1}, "total_epochs": 10,
            "hooks": {"logger": {"type": "LoggerHook"},
                      "metrics": {"type": "MetricHook",
                                  "miou": {"type": "MeanIoU", "ignore_index": 255, **target},
                                  "pixels": {"type": "Accuracy", "ignore_index": 255, **target}}}}))
        return path

    def test_trains_with_cross_entropy(self):
        config = self.config({"type": "CrossEntropyLoss", "ignore_index": 255})
        self.assertDone(mpirun(2, command(config, plugins=["masks"])))
        lines = self.run_folder().lines("val")
        self.assertLess(lines[-1]["loss"], lines[0]["loss"])
        self.assertEqual(lines[-1]["miou"], 1)
        self.assertEqual(lines[-1]["pixels"], 100)

    def test_pixels_of_no_class_are_refused_with_a_reason(self):
        result = call(command(self.config({"type": "CrossEntropyLoss"}), plugins=["masks"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r"loss \"CrossEntropyLoss\": a target is 255, outside of the classes 0 … 2 .* or set ignore_index")
