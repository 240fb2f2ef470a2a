"""ailab-run browse: a page of what the model is fed, and single samples exactly as training saw them."""
import json
import subprocess

import numpy
from harness import AILAB, SOURCE, TestCase, call, command, mpirun
from PIL import Image
from safetensors.numpy import load_file

AUGMENT = [{"type": "RandomResizedCrop", "size": 28}, {"type": "RandomHorizontalFlip"},
           {"type": "Normalize", "mean": [0.5], "std": [0.25]}]


class Browse(TestCase):
    def setUp(self):
        super().setUp()
        subprocess.run([SOURCE / "scripts" / "fashion-mnist-images", self.folder / "data", "60"], check=True)

    def config(self, **sections):
        config = {
            "seed": 5, "work_dir": str(self.work), "model": {"type": "lenet5", "num_classes": 10, "in_channels": 1},
            "data": {"train": {"type": "ImageFolder", "root": str(self.folder / "data" / "train"), "color": "gray",
                               "transforms": AUGMENT},
                     "train_dataloader": {"global_batch_size": 16}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.01},
            "workflow": [["train", 1]], "total_epochs": 3, "hooks": {}}
        config.update(sections)
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config))
        return path

    def browse(self, *words, **sections):
        return call([AILAB, "browse", self.config(**sections), *words], cwd=self.folder)

    def test_a_page_with_labels(self):
        result = self.browse("--count", "6")
        self.assertDone(result)
        lines = result.out.splitlines()
        self.assertEqual(lines[-1], "browse.png")
        self.assertEqual(len(lines), 7)
        number, label, name = lines[0].split("\t")
        self.assertTrue(name.endswith(".png") and (self.folder / name).exists())
        self.assertIn(label.split(" ")[1], name)
        page = numpy.asarray(Image.open(self.folder / "browse.png"))
        self.assertEqual(page.ndim, 3)
        self.assertGreater(len(numpy.unique(page)), 20, "there are images on it")

    def test_a_sample_is_what_training_saw(self):
        dumps = self.folder / "dumps"
        dumps.mkdir()
        hooks = {"dump": {"type": "DumpBatches", "folder": str(dumps)}}
        self.assertDone(mpirun(2, command(self.config(hooks=hooks), plugins=["dump_batches"])))
        for epoch, index in ((0, 7), (2, 7), (2, 41)):
            result = self.browse("--sample", f"{epoch}:{index}", "-o", "one.png")
            self.assertDone(result)
            shown = load_file(self.folder / "one.png.safetensors")["input"]
            fed = numpy.fromfile(dumps / f"{epoch}.{index}", numpy.float32)
            self.assertEqual(shown.tobytes(), fed.tobytes(), f"{epoch}:{index}")
        first, third = (numpy.fromfile(dumps / f"{epoch}.7", numpy.float32) for epoch in (0, 2))
        self.assertFalse(numpy.array_equal(first, third), "augmented anew")

    def test_mixed_labels(self):
        mix = [*AUGMENT, {"type": "Mixup", "num_classes": 10}]
        result = self.browse("--count", "16", "data.train.transforms=" + json.dumps(mix))
        self.assertDone(result)
        self.assertRegex(result.out, r"\t0\.\d\d \d [a-z-]+, 0\.\d\d \d")

    def test_refused(self):
        for words, text in [
                (["--sample", "7"], "--sample takes EPOCH:INDEX"),
                (["--sample", "0:60"], "samples are numbered 0 … 59"),
                (["--sample", "-1:0"], "--sample"),
                (["--count", "0"], "--count must be between 1 and 10000"),
                (["--count", "many"], "--count takes a whole number"),
                (["--phase", "valid"], "--phase valid is unknown. It takes: train, val, test"),
                (["--phase", "val"], "there is no data.val to browse")]:
            with self.subTest(words=words):
                result = self.browse(*words)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(text, result.err)
        result = call([AILAB, self.config(), "--count", "3"], cwd=self.folder)
        self.assertIn("--count goes with ailab-run browse", result.err)
        result = self.browse("-o", "none/a.png")
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("cannot write none/a.png: No such file or directory", result.err)
