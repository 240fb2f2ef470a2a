"""Data files that are missing, cut short or wrong: one clear message each."""
import gzip
import re
import struct

from harness import TestCase, call, command, mlp_config


def images(count, rows=28, columns=28, magic=2051, data=None):
    return struct.pack(">iiii", magic, count, rows, columns) + (
        data if data is not None else bytes(count * rows * columns))


def labels(values, magic=2049):
    return struct.pack(">ii", magic, len(values)) + bytes(values)


class BadData(TestCase):
    def refuse(self, image_bytes, label_bytes, *texts, prefix=r"ailab: \[rank"):
        for name, content in (("images", image_bytes), ("labels", label_bytes)):
            path = self.folder / name
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        data = {"type": "IDX", "images": str(self.folder / "images"), "labels": str(self.folder / "labels"),
                "num_classes": 10}
        config = mlp_config(self.folder, data={"train": data, "train_dataloader": {"batch_size": 4}},
                            workflow=[["train", 1]])
        result = call(command(config, plugins=["mlp"]))
        if not texts:
            self.assertDone(result)
            return
        self.assertNotEqual(result.status, 0, str(result))
        for text in texts:
            self.assertIn(text, result.err)
        self.assertEqual(len(re.findall(prefix, result.err)), 1, result.err)
        self.assertNotIn("Traceback", result.err)

    def test_accepted(self):
        self.refuse(images(8), labels(range(8)))
        self.refuse(gzip.compress(images(8)), gzip.compress(labels(range(8))))

    def test_a_missing_file(self):
        self.refuse(None, labels(range(8)), "images", "No such file", prefix=r"\S+config.yaml:\d+:\d+: ")

    def test_truncated(self):
        self.refuse(images(8)[:-1], labels(range(8)), "images")
        self.refuse(images(8)[:10], labels(range(8)), "images")
        self.refuse(b"", labels(range(8)), "images")
        self.refuse(gzip.compress(images(8))[:-20], labels(range(8)), "images")

    def test_wrong_magic(self):
        self.refuse(images(8, magic=77), labels(range(8)), "images", "0x0000004d")
        self.refuse(images(8), labels(range(8), magic=2051), "labels", "0x00000803")

    def test_counts_that_differ(self):
        self.refuse(images(8), labels(range(7)), "images", "8", "7")

    def test_a_label_outside_the_classes(self):
        self.refuse(images(8), labels([0, 1, 2, 3, 4, 5, 6, 10]), "label 10", "0 … 9",
                    prefix=r"^\S+/labels, label 7: ")


class ClassesOfPhases(TestCase):
    """A class must have the same number in train and val."""

    def start(self, train, val):
        for phase, classes in (("train", train), ("val", val)):
            for name in classes:
                folder = self.folder / phase / name
                folder.mkdir(parents=True)
                (folder / "a.pgm").write_bytes(b"no image: none is read")
        data = {phase: {"type": "ImageFolder", "root": str(self.folder / phase)} for phase in ("train", "val")}
        config = mlp_config(self.folder, data={**data, "train_dataloader": {"batch_size": 1}})
        return call(command(config, plugins=["mlp"]))

    def test_refused(self):
        for train, val, text in (
                (("cats", "dogs"), ("dogs", "mice"), 'class 0 is "dogs" in data.val, and "cats" in data.train'),
                (("cats", "dogs"), ("cats", "dogs", "mice"), 'class 2 is "mice" in data.val, which data.train has not')):
            with self.subTest(val=val):
                self.folder = self.folder / str(len(val))
                result = self.start(train, val)
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, r"config\.yaml:\d+:\d+: " + text)

    def test_the_last_ones_may_be_missing(self):
        result = self.start(("cats", "dogs"), ("cats",))
        self.assertNotIn("class ", result.err)
