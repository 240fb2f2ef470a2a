"""What a model's outputs stand for is the loss's to say: `infer` and `test --tta` go by it."""
import json
import subprocess

import numpy
import safetensors.torch
import torch
from PIL import Image, ImageOps

from harness import AILAB, PLUGINS, TestCase, call, command, environment, mlp_config


class OutputKinds(TestCase):
    def setUp(self):
        super().setUp()
        random = numpy.random.default_rng(0)
        for split in ("train", "val"):
            for label, name in enumerate(("cat", "dog")):
                (self.folder / "img" / split / name).mkdir(parents=True)
                (self.folder / "img" / f"mirrored_{split}" / name).mkdir(parents=True)
                for i in range(8):
                    pixels = random.integers(0, 128, (8, 8, 3)) + label * 60
                    image = Image.fromarray(pixels.astype(numpy.uint8))
                    image.save(self.folder / "img" / split / name / f"{i}.png")
                    ImageOps.mirror(image).save(self.folder / "img" / f"mirrored_{split}" / name / f"{i}.png")

    def train_on_images(self, loss, outputs=1):
        images = {"type": "ImageFolder", "transforms": [{"type": "ToTensor"}]}
        self.config = mlp_config(
            self.folder, loss=loss, model={"type": "MLP", "in": 192, "hidden": 8, "out": outputs}, total_epochs=3,
            data={"train": {**images, "root": str(self.folder / "img/train")},
                  "val": {**images, "root": str(self.folder / "img/val")},
                  "train_dataloader": {"global_batch_size": 8}, "val_dataloader": {"batch_size": 16}},
            hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
        self.plugins = ["mlp"]
        self.assertDone(call(command(self.config, plugins=self.plugins)))

    def words(self, action, *words):
        return [str(AILAB), action, *(f"--plugins={PLUGINS}/lib{name}.so" for name in self.plugins),
                *map(str, words)]

    def infer(self, *inputs):
        result = subprocess.run(self.words("infer", *inputs), capture_output=True, text=True, timeout=60,
                                env=environment())
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def evaluated(self, output, *words):
        result = call(self.words("test", self.config, "latest", "-o", self.folder / output, *words))
        self.assertDone(result)
        folder = self.folder / output / "latest"
        lines = [json.loads(line) for line in (folder / "predictions_val.jsonl").read_text().splitlines()]
        record, = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
                   if json.loads(line)["mode"] == "val"]
        return torch.tensor([line["output"] for line in lines], dtype=torch.double).flatten(), record["loss"]

    def test_one_yes_or_no_is_two_classes(self):
        """transformers#7726: the softmax of one number is 1, whatever it is."""
        for number, loss in enumerate(({"type": "BCEWithLogitsLoss"}, {"type": "BCEWithLogitsLoss", "pos_weight": [3.0]},
                                      {"type": "WeightedLoss", "losses": {"one": {"type": "BCEWithLogitsLoss"}}})):
            with self.subTest(loss=loss):
                self.train_on_images(loss)
                outputs, _ = self.evaluated(f"tested_{number}")
                dog = torch.sigmoid(outputs)
                told = (self.folder / f"tested_{number}" / "latest" / "predictions_val.jsonl").read_text().splitlines()
                for line, p, label in zip(map(json.loads, told), dog.tolist(), [0] * 8 + [1] * 8):
                    self.assertEqual((line["target"], line["prediction"]), ([label], [int(p > 0.5)]))
                    self.assertAlmostEqual(line["probability"][0], p, places=5)
                lines = self.infer(self.config, "latest", self.folder / "img/val/cat", self.folder / "img/val/dog")
                self.assertEqual(len(lines), 16)
                for line, p in zip(lines, dog.tolist()):
                    found = {score["class"]: score["probability"] for score in line["top"]}
                    self.assertEqual(set(found), {"cat", "dog"})
                    self.assertAlmostEqual(found["dog"], p, places=5)
                    self.assertAlmostEqual(found["cat"], 1 - p, places=5)
                    self.assertEqual(line["top"][0]["class"], "dog" if p > 0.5 else "cat")

    def test_an_artifact_says_the_same(self):
        self.train_on_images({"type": "BCEWithLogitsLoss"})
        self.assertDone(call(self.words("export", self.config, "latest", "--to", "artifact", "-o",
                                        self.folder / "model.ailab")))
        image = self.folder / "img/val/dog/3.png"
        wanted, = self.infer(self.config, "latest", image)
        found, = self.infer(self.folder / "model.ailab", image)
        self.assertEqual([s["class"] for s in found["top"]], [s["class"] for s in wanted["top"]])
        for one, other in zip(found["top"], wanted["top"]):
            self.assertAlmostEqual(one["probability"], other["probability"], places=6)

    def test_a_number_is_a_number(self):
        """A regression of class numbers names no classes."""
        self.train_on_images({"type": "MSELoss"})
        outputs, _ = self.evaluated("tested")
        lines = self.infer(self.config, "latest", self.folder / "img/val/cat", self.folder / "img/val/dog")
        for line, output in zip(lines, outputs.tolist()):
            self.assertNotIn("top", line)
            self.assertAlmostEqual(line["output"][0], output, places=5)

    def test_labels_each_have_a_probability(self):
        random = numpy.random.default_rng(1)
        inputs = random.normal(size=(40, 3))
        rows = numpy.concatenate([inputs, (inputs + 0.3 > 0).astype(float)], 1)
        numpy.savetxt(self.folder / "rows.txt", rows)
        data = {"type": "Rows", "file": str(self.folder / "rows.txt"), "in": 3, "out": 3}
        for loss, top in (("BCEWithLogitsLoss", True), ("MSELoss", False), ("PoissonNLLLoss", False)):
            with self.subTest(loss=loss):
                self.config = mlp_config(
                    self.folder, loss={"type": loss}, model={"type": "Normed", "in": 3, "out": 3},
                    data={"train": data, "val": data, "train_dataloader": {"global_batch_size": 8},
                          "val_dataloader": {"batch_size": 40}},
                    hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
                    runtime={"dtype": "float64"})
                self.plugins = ["rows"]
                self.assertDone(call(command(self.config, plugins=self.plugins)))
                outputs, _ = self.evaluated(loss)
                told = (self.folder / loss / "latest" / "predictions_val.jsonl").read_text().splitlines()
                for line, row, output in zip(map(json.loads, told), rows, outputs.view(-1, 3)):
                    self.assertEqual(line["target"], row[3:].tolist())
                    self.assertEqual("probability" in line, top)
                    if top:
                        for p, q, yes in zip(output.sigmoid().tolist(), line["probability"], line["prediction"]):
                            self.assertAlmostEqual(p, q, places=6)
                            self.assertEqual(yes, int(p > 0.5))
                safetensors.torch.save_file({"x": torch.tensor(inputs)}, self.folder / "x.safetensors")
                lines = self.infer(self.config, "latest", self.folder / "x.safetensors")
                for line, output in zip(lines, outputs.view(-1, 3)):
                    if not top:
                        self.assertNotIn("top", line)
                        continue
                    found = {score["index"]: score["probability"] for score in line["top"]}
                    for index, p in enumerate(output.sigmoid().tolist()):
                        self.assertAlmostEqual(found[index], p, places=5)

    def test_the_mean_of_views_is_what_the_loss_means(self):
        """torchgeo#791: softmax for labels."""
        means = (("BCEWithLogitsLoss", lambda a, b: ((a.sigmoid() + b.sigmoid()) / 2).logit(),
                  lambda out, target: torch.nn.functional.binary_cross_entropy_with_logits(out, target)),
                 ("MSELoss", lambda a, b: (a + b) / 2,
                  lambda out, target: torch.nn.functional.mse_loss(out, target)))
        target = torch.tensor([0.0] * 8 + [1.0] * 8, dtype=torch.double)
        for loss, mean, value in means:
            with self.subTest(loss=loss):
                self.train_on_images({"type": loss})
                plain, _ = self.evaluated(f"plain_{loss}")
                mirrored, _ = self.evaluated(f"mirrored_{loss}",
                                          f"data.val.root={self.folder / 'img/mirrored_val'}")
                both, found = self.evaluated(f"both_{loss}", "--tta", "flip")
                wanted = mean(plain, mirrored)
                self.assertGreater(float((plain - mirrored).abs().max()), 1e-3)
                self.assertLess(float((both - wanted).abs().max()), 1e-5)
                self.assertAlmostEqual(found, float(value(wanted, target)), places=5)

    def test_views_without_a_meaning_are_refused(self):
        self.train_on_images({"type": "PoissonNLLLoss"})  # the data have classes, and the outputs do not fit them
        result = call(self.words("test", self.config, "latest", "-o", self.folder / "tested", "--tta", "flip"))
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("--tta takes the mean of class probabilities, [N, classes], and the model gives [16, 1]",
                      result.err)
        for i in range(4):
            (self.folder / f"{i}.pict").write_bytes(b"PICT" + bytes(range(48)))
        data = {"type": "Pictures", "root": str(self.folder), "size": 4, "transforms": [{"type": "Scaled"}]}
        self.config = mlp_config(
            self.folder, loss={"type": "PoissonNLLLoss"}, model={"type": "MLP", "in": 48, "hidden": 4, "out": 1},
            data={"train": data, "val": data, "train_dataloader": {"global_batch_size": 4},
                  "val_dataloader": {"batch_size": 4}},
            hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
        self.plugins = ["mlp", "pictures"]
        self.assertDone(call(command(self.config, plugins=self.plugins)))
        result = call(self.words("test", self.config, "latest", "-o", self.folder / "pictures", "--tta", "flip"))
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r"config.yaml:\d+:\d+: --tta takes the mean of what the model predicts, and "
                                     "nothing says whether its outputs are scores of classes, of labels, or numbers")
