"""Labels of several data sets and of a model agree, or the run does not begin."""
import io
import json
import shutil
import struct
import tarfile
import unittest
import zlib

from harness import AILAB, TestCase, call, command, mlp_config

PIXELS = [{"type": "ToTensor"}]


def png(value):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([value] * 6) for _ in range(2))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Labels(TestCase):
    def setUp(self):
        super().setUp()
        for i in range(4):
            (self.folder / f"{i}.png").write_bytes(png(40 * i))

    def shard(self, name, *labels):
        """A tar file of images 0, 1, … with these labels."""
        path = self.folder / name
        with tarfile.open(path, "w") as tar:
            for i, label in enumerate(labels):
                for ending, data in (("png", png(40 * i)), ("cls", str(label).encode())):
                    info = tarfile.TarInfo(f"{i}.{ending}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return {"type": "TarShards", "shards": [str(path)], "transforms": PIXELS}

    def listed(self, name, *labels, header="image,label"):
        """A table of images with these labels, written as they are."""
        path = self.folder / name
        rows = [f"{self.folder}/{i % 4}.png,{label}" for i, label in enumerate(labels)]
        path.write_text("\n".join([header, *rows]) + "\n")
        return {"type": "ClassificationImageDataset", "annotation_file": str(path), "transforms": PIXELS}

    def folders(self, name, *classes):
        """A folder a class, an image in each."""
        for i, one in enumerate(classes):
            folder = self.folder / name / one
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "a.png").write_bytes(png(10 * i))
        return {"type": "ImageFolder", "root": str(self.folder / name), "transforms": PIXELS}

    def idx(self, name, *labels):
        """Images of 12 pixels and their labels in IDX files."""
        images, numbers = self.folder / f"{name}-images", self.folder / f"{name}-labels"
        images.write_bytes(struct.pack(">IIII", 0x803, len(labels), 2, 6) + bytes(12 * len(labels)))
        numbers.write_bytes(struct.pack(">II", 0x801, len(labels)) + bytes(labels))
        return {"type": "IDX", "images": str(images), "labels": str(numbers)}

    def start(self, train, val, classes=3, overrides=(), words=None, **data):
        sets = {"train": train, "val": val, **data}
        config = mlp_config(
            self.folder, model={"type": "mlp", "in_features": 12, "hidden": [], "num_classes": classes},
            data={**sets, "train_dataloader": {"batch_size": 2}, "val_dataloader": {"batch_size": 2}},
            hooks={"predictions": {"type": "PredictionsHook"}, "logger": {"type": "LoggerHook", "interval": 1},
                   "checkpoint": {"type": "CheckpointHook", "interval": 1}})
        return call(words(config) if words else command(config, overrides))

    def predictions(self, folder=None, phase="val"):
        path = (folder or self.run_folder().path) / f"predictions_{phase}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def assertRefused(self, result, text):
        self.assertEqual(result.status, 2, str(result))
        self.assertIn(text, result.err)
        self.assertFalse(self.work.exists() and list(self.work.glob("*/metrics.jsonl")), "the run had begun")


class Refused(Labels):
    def test_before_the_run_with_the_place(self):
        f = self.folder
        listed, folders = self.listed, self.folders

        def subset():
            return {"type": "Subset", "dataset": listed("a.csv", 0, 1, 3), "begin": 1}
        table = [
            ("names and numbers", lambda: listed("a.csv", "cat", "dog"), lambda: listed("b.csv", 0, 1),
             'the classes of data.val are numbers, and those of data.train have names ("cat" is 0)'),
            ("numbers and names", lambda: listed("a.csv", 0, 1), lambda: listed("b.csv", "cat", "dog"),
             'the classes of data.val have names ("cat" is 0), and those of data.train are numbers'),
            ("an unknown name", lambda: listed("a.csv", "cat", "dog"), lambda: listed("b.csv", "cat", "eel"),
             'class 1 is "eel" in data.val, and "dog" in data.train'),
            ("an unknown folder", lambda: folders("t", "cat", "dog"), lambda: folders("v", "cat", "dog", "eel"),
             'class 2 is "eel" in data.val, which data.train has not'),
            ("a number that train has not", lambda: listed("a.csv", 0, 1), lambda: listed("b.csv", 0, 2, 1, 2),
             f"{f}/b.csv:3: label 2 (2 samples) of data.val is none of the classes 0 … 1 of data.train"),
            ("more than the model has", lambda: listed("a.csv", 0, 1, 3, 2), lambda: listed("b.csv", 0),
             f"{f}/a.csv:4: label 3 of data.train is outside of the model's classes 0 … 2 (model.num_classes is 3)"),
            ("IDX: letters from 1 on", lambda: self.idx("t", 1, 2, 3), lambda: self.idx("v", 1),
             f"{f}/t-labels, label 2: label 3 of data.train is outside of the model's classes 0 … 2"),
            ("IDX: more than train has", lambda: self.idx("t", 0, 1), lambda: self.idx("v", 1, 2),
             f"{f}/v-labels, label 1: label 2 of data.val is none of the classes 0 … 1 of data.train"),
            ("beyond 32 bits", lambda: listed("a.csv", 3, 4294967299), lambda: listed("b.csv", 0),
             f"{f}/a.csv:3: label 4294967299 of data.train is outside of the model's classes 0 … 2"),
            ("more folders than outputs", lambda: folders("four", *"abcd"), lambda: folders("four", *"abcd"),
             f"{f}/four/d/a.png: label 3 of data.train is outside of the model's classes 0 … 2"),
            ("of a part", subset,
             lambda: listed("b.csv", 0), f"{f}/a.csv:4: label 3 of data.train is outside of the model's classes 0 … 2"),
            ("more than the set says it has", lambda: {**listed("a.csv", 0, 255, 1, 255), "num_classes": 3},
             lambda: listed("b.csv", 0), f"{f}/a.csv:3: label 255 (2 samples) of data.train is outside of its classes "
             "0 … 2; correct the label or the classes, or, if such samples are to be left out, name it as ignore_index of "
             "the loss"),
            ("more than it has names", lambda: {**listed("a.csv", "cat", "dog", 2), "classes": ["cat", "dog"]},
             lambda: {**listed("b.csv", 0), "classes": ["cat", "dog"]},
             f"{f}/a.csv:4: label 2 of data.train is outside of its classes 0 … 1 (cat, dog)"),
            ("IDX: more than it says", lambda: {**self.idx("t", 0, 2), "num_classes": 2}, lambda: self.idx("v", 0),
             f"{f}/t-labels, label 1: label 2 of data.train is outside of its classes 0 … 1"),
            ("tar shards: more than they say", lambda: {**self.shard("t.tar", 0, 3), "num_classes": 3},
             lambda: self.shard("v.tar", 0), f"{f}/t.tar/1.png: label 3 of data.train is outside of its classes 0 … 2"),
            ("val: more than it says", lambda: listed("a.csv", 0, 1, 2), lambda: {**listed("b.csv", 0, 2), "num_classes": 2},
             f"{f}/b.csv:3: label 2 of data.val is outside of its classes 0 … 1"),
            ("of one set of several", lambda: {"type": "Concat", "datasets": [
                {**listed("a.csv", 0, 2), "num_classes": 2}, {**listed("c.csv", 0), "num_classes": 3}]},
             lambda: listed("b.csv", 0), f"{f}/a.csv:3: label 2 is outside of the classes 0 … 1 of datasets[0], and the "
                                         "datasets together have 3; give all the same num_classes"),
            ("a stray label", lambda: listed("a.csv", 0, "?", 1), lambda: listed("b.csv", 0),
             f'{f}/a.csv:3: the label "?" is no number'),
            ("names and numbers in one", lambda: {"type": "Concat", "datasets": [listed("a.csv", "cat", "dog"),
                                                                                   listed("c.csv", 1, 0)]},
             lambda: listed("b.csv", "cat"), 'the classes of one of the datasets have names (0 is "cat"), and those of '
                                             'another are numbers'),
            ("a missing label", lambda: listed("a.csv", 0, 1, ""), lambda: listed("b.csv", 0),
             f"{f}/a.csv:4: the label is missing"),
        ]
        for name, train, val, text in table:
            with self.subTest(name):
                self.assertRefused(self.start(train(), val()), text)


    def test_names_that_are_no_utf_8(self):
        train = self.listed("latin.csv", "café", "thé")
        path = self.folder / "latin.csv"
        path.write_bytes(path.read_text().encode("latin-1"))
        self.assertRefused(self.start(train, train), f"{path}:2: the label \"caf\ufffd\" is no text in UTF-8; save the "
                                                     "file as UTF-8")


class Accepted(Labels):
    def test_integers_with_blanks_and_decimals(self):
        train = self.listed("a.csv", " 0", "10", "2.0", "1 ")
        self.assertDone(self.start(train, train, classes=11))
        self.assertEqual([p["label"] for p in self.predictions()], [0, 10, 2, 1])

    def test_a_set_may_lack_a_class(self):
        self.assertDone(self.start(self.listed("a.csv", 0, 1, 2), self.listed("b.csv", 2, 0)))
        self.assertEqual([p["label"] for p in self.predictions()], [2, 0])

    def test_a_part_of_the_names_is_numbered_as_train(self):
        for train, val in ((self.listed("a.csv", "cat", "dog", "eel"), self.listed("b.csv", "eel", "dog")),
                           (self.folders("t", "cat", "dog", "eel"), self.folders("v", "dog", "eel")),
                           (self.folders("t", "cat", "dog", "eel"), self.listed("b.csv", "dog", "eel"))):
            with self.subTest(train=train["type"], val=val["type"]):
                result = self.start(train, val)
                self.assertDone(result)
                self.assertIn("data.val has 2 of the 3 classes of data.train, and is numbered as that", result.err)
                self.assertEqual({p["class"]: p["label"] for p in self.predictions()}, {"dog": 1, "eel": 2})

    def test_folders_named_by_their_numbers(self):
        self.assertDone(self.start(self.listed("a.csv", 0, 1, 2), self.folders("v", "1", "2")))
        self.assertEqual([p["label"] for p in self.predictions()], [1, 2])

    def test_more_outputs_than_classes_are_told(self):
        result = self.start(self.listed("a.csv", 0, 1), self.listed("b.csv", 0), classes=5)
        self.assertDone(result)
        self.assertIn("the model has 5 outputs (model.num_classes), and data.train 2 classes", result.err)

    def test_what_the_loss_ignores_is_no_class(self):
        data = self.listed("a.csv", 0, 1, 255)
        ignoring = ["loss={type: CrossEntropyLoss, ignore_index: 255}"]
        self.assertDone(self.start(data, self.listed("b.csv", 0), overrides=ignoring))

    def test_what_is_ignored_is_none_of_the_classes_that_a_set_says_it_has(self):
        """The usual 255, of the loss or of a metric; the loss is that of the other samples."""
        listed = self.listed("a.csv", 0, 1, 255)
        named = {**self.listed("named.csv", "cat", "dog", "eel", 255), "classes": ["cat", "dog", "eel"]}
        table = [
            ("a table", {**listed, "num_classes": 3}), ("names", named),
            ("IDX", {**self.idx("t", 0, 255, 2), "num_classes": 3}),
            ("tar shards", {**self.shard("t.tar", 0, 255, 2), "num_classes": 3}),
            ("a part", {"type": "Subset", "dataset": {**listed, "num_classes": 3}, "begin": 1}),
            ("several", {"type": "Concat", "datasets": [{**listed, "num_classes": 3}] * 2}),
        ]
        losses = {
            "of its own": "{type: CrossEntropyLoss, ignore_index: 255}",
            "of a part": "{type: WeightedLoss, losses: {ce: {type: CrossEntropyLoss, ignore_index: 255}}}",
        }
        for name, data in table:
            for whose, loss in losses.items():
                with self.subTest(f"{name}, {whose}"):
                    shutil.rmtree(self.work, ignore_errors=True)
                    # Numbered by val's names as well: 255 stays.
                    self.assertDone(self.start(data, data, overrides=["loss=" + loss]))
                    self.assertIn(255, [p["label"] for p in self.predictions()])
            shutil.rmtree(self.work, ignore_errors=True)
            self.assertRefused(self.start(data, data, overrides=["loss={type: CrossEntropyLoss, ignore_index: 254}"]),
                               "label 255")

    def test_the_loss_is_that_of_the_samples_that_count(self):
        overrides = ["loss={type: CrossEntropyLoss, ignore_index: 255}", "data.train_dataloader.shuffle=false",
                     "data.train_dataloader.batch_size=4"]
        losses = []
        for labels in ((0, 1, 255, 255), (0, 1)):
            shutil.rmtree(self.work, ignore_errors=True)
            data = {**self.listed("a.csv", *labels), "num_classes": 3}
            self.assertDone(self.start(data, data, overrides=overrides))
            losses.append(self.run_folder().losses())
        self.assertEqual(*losses)


class Later(Labels):
    """What a checkpoint remembers of the classes."""

    def test_test_numbers_as_training_did(self):
        train = self.listed("a.csv", "cat", "dog", "eel")
        self.assertDone(self.start(train, train, test=self.listed("c.csv", "eel", "dog")))
        config, output = self.folder / "config.yaml", self.folder / "tested"
        self.assertDone(call([str(AILAB), "test", str(config), "latest", "-o", str(output)]))
        found = self.predictions(output / "latest", "test")
        self.assertEqual([(p["class"], p["label"]) for p in found], [("eel", 2), ("dog", 1)])
        self.listed("c.csv", "eel", "gnu")
        result = call([str(AILAB), "test", str(config), "latest", "-o", str(output)])
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('class 0 is "eel" in data.test, and "cat" in the training data; the training data has no "gnu"', result.err)

    def test_every_file_of_the_weights_numbers_as_training_did(self):
        train = self.listed("a.csv", "cat", "dog", "eel")
        self.assertDone(self.start(train, train, test=self.listed("c.csv", "eel", "dog")))
        config, output = str(self.folder / "config.yaml"), self.folder / "tested"
        epoch = self.run_folder().path / "checkpoints" / "epoch_1"
        moved = self.folder / "moved.safetensors"
        moved.write_bytes((epoch / "model.safetensors").read_bytes())
        exported = [self.folder / f"exported.{kind}" for kind in ("pth", "safetensors")]
        for file in exported:
            self.assertDone(call([str(AILAB), "export", config, "latest", "--to", file.suffix[1:], "-o", str(file)]))
        mean = self.folder / "mean.safetensors"
        self.assertDone(call([str(AILAB), "average", str(epoch), str(epoch), "-o", str(mean)]))
        loss = set()
        for file in (epoch, epoch / "model.safetensors", moved, mean, *exported):
            with self.subTest(file=file.name):
                result = call([str(AILAB), "test", config, str(file), "-o", str(output / file.name)])
                self.assertDone(result)
                path, = (output / file.name).rglob("predictions_test.jsonl")
                found = [json.loads(line) for line in path.read_text().splitlines()]
                self.assertEqual([(p["class"], p["label"]) for p in found], [("eel", 2), ("dog", 1)])
                loss.add(json.dumps(found))
                part = ["data.val.annotation_file=" + str(self.folder / "c.csv")]
                result = call([str(AILAB), "infer", config, str(file), str(self.folder / "0.png"), *part])
                self.assertDone(result)
                top = json.loads(result.out)["top"]
                self.assertEqual({t["index"]: t["class"] for t in top}, {0: "cat", 1: "dog", 2: "eel"})
        self.assertEqual(len(loss), 1, loss)

    def test_weights_that_do_not_say_their_classes_are_told(self):
        train = self.listed("a.csv", "cat", "dog", "eel")
        self.assertDone(self.start(train, train, test=self.listed("c.csv", "eel", "dog")))
        data = (self.run_folder().path / "checkpoints" / "epoch_1" / "model.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        del header["__metadata__"]
        bare = json.dumps(header).encode()
        file = self.folder / "bare.safetensors"
        file.write_bytes(struct.pack("<Q", len(bare)) + bare + data[8 + length:])
        config = str(self.folder / "config.yaml")
        result = call([str(AILAB), "test", config, str(file), "-o", str(self.folder / "tested")])
        self.assertDone(result)
        self.assertIn('data.test names 2 of 3 (model.num_classes): it takes "dog" for class 0', result.err)
        self.listed("a.csv", "eel", "dog")
        result = call([str(AILAB), "infer", config, str(file), str(self.folder / "0.png")])
        self.assertDone(result)
        self.assertIn('data.val names 2 of 3 (model.num_classes): it takes "dog" for class 0', result.err)

    def test_infer_names_classes_as_training_did(self):
        train = self.listed("a.csv", "cat", "dog", "eel")
        self.assertDone(self.start(train, self.listed("b.csv", "eel", "dog")))
        result = call([str(AILAB), "infer", str(self.folder / "config.yaml"), "latest", str(self.folder / "0.png")])
        self.assertDone(result)
        top = json.loads(result.out)["top"]
        self.assertEqual({t["index"]: t["class"] for t in top}, {0: "cat", 1: "dog", 2: "eel"})

    def test_a_run_goes_on_with_the_classes_it_had(self):
        train = self.folders("t", "cat", "dog", "eel")
        self.assertDone(self.start(train, train))
        (self.folder / "t" / "dog").rename(self.folder / "t" / "bat")
        result = call(command(self.folder / "config.yaml", ["resume_from=auto", "total_epochs=2"]))
        self.assertNotEqual(result.status, 0, str(result))
        self.assertIn('class 0 is "bat" in data.train, and "cat" in the checkpoint', result.err)


if __name__ == "__main__":
    unittest.main()
