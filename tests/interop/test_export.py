"""Exports read by the real packages: safetensors, torch.load(weights_only=True), TorchScript, onnx and
onnxruntime give the outputs and the classes that `ailab-run test` gave on Fashion-MNIST, and weights that
Python has trained test to the same accuracy here.

    python test_export.py [long] [unittest's arguments]

`long` takes 1,000 images for all models, and every model of the vision plugin.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
import torchvision

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import BUILD, FASHION_MNIST, read_fashion_mnist  # noqa: E402

AILAB = BUILD / "bin" / "ailab-run"
PLUGINS = [str(BUILD / "tests" / "plugins" / f"lib{name}.so") for name in ("minimal_for_tests", "operations", "strided")]
LONG = sys.argv[1:2] == ["long"] and bool(sys.argv.pop(1))
MANY = 1000 if LONG else 200
MEAN, STD = 0.286, 0.353


def images(count):
    pixels = read_fashion_mnist("t10k-images-idx3-ubyte")[16:].reshape(-1, 1, 28, 28)[:count]
    return (pixels / np.float32(255) - np.float32(MEAN)) / np.float32(STD)


def labels(count):
    return read_fashion_mnist("t10k-labels-idx1-ubyte")[8:][:count].astype(np.int64)


class Exported(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-export-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def ailab(self, *words):
        result = subprocess.run([str(AILAB), *map(str, words)], capture_output=True, text=True, timeout=600)
        self.assertEqual(result.returncode, 0, f"{words}\n{result.stdout}\n{result.stderr}")
        return result.stdout + result.stderr

    def config(self, model, count, iters=20, padding=0):
        data = {"type": "IDX", "root": str(FASHION_MNIST), "mean": MEAN, "std": STD}
        if padding:
            data["transforms"] = [{"type": "Pad", "padding": padding}]
        path = self.folder / "config.yaml"
        path.write_text(json.dumps({
            "seed": 1, "work_dir": str(self.folder / "work"), "model": model, "plugins": PLUGINS,
            "data": {"train": {**data, "train": True, "limit": 2000}, "val": {**data, "train": False, "limit": count},
                     "train_dataloader": {"batch_size": 32}, "val_dataloader": {"batch_size": 50}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "Adam", "lr": 0.0005},
            "workflow": [["train", 1]], "total_iters": iters,
            "hooks": {"checkpoint": {"type": "CheckpointHook", "interval": iters, "by": "iter"}}}))
        return path

    def results(self, config, checkpoint="latest"):
        self.ailab("test", config, checkpoint, "-o", self.folder / "tested", "--progress", "off")
        folder = self.folder / "tested" / "latest"
        lines = [json.loads(line) for line in (folder / "predictions_val.jsonl").read_text().splitlines()]
        top1, = [json.loads(line)["top1"] for line in (folder / "metrics.jsonl").read_text().splitlines()
                 if "top1" in line]
        return lines, top1

    def compare(self, name, outputs, expected, predictions, tolerance):
        """Relative to the largest output; classes too, but for ties within the tolerance."""
        scale = np.abs(expected).max()
        self.assertLess(np.abs(outputs - expected).max() / scale, tolerance, name)
        classes = outputs.argmax(1)
        for i, line in enumerate(predictions):
            if classes[i] != line["prediction"]:
                tie = abs(outputs[i, classes[i]] - outputs[i, line["prediction"]]) / scale
                self.assertLess(tie, tolerance, f"{name}, image {i}")

    def in_batches(self, run, count, size):
        x = images(count)
        return np.concatenate([run(x[i:i + size]) for i in range(0, count, size)])

    def check(self, model, count, sizes=(1, 7, 64), python_model=None):
        config = self.config(model, count)
        self.ailab(config, "--progress", "off")
        predictions, top1 = self.results(config)
        files = {}
        for name in ("safetensors", "pth", "torchscript", "onnx"):
            files[name] = self.folder / f"model.{name}"
            self.assertIn("real samples", self.ailab("export", config, "latest", "--to", name, "-o", files[name]))

        script = torch.jit.load(str(files["torchscript"])).eval()
        loaded = onnx.load(str(files["onnx"]))
        onnx.checker.check_model(loaded, full_check=True)
        self.assertEqual(loaded.graph.input[0].type.tensor_type.shape.dim[0].dim_param, "N")
        session = onnxruntime.InferenceSession(str(files["onnx"]), providers=["CPUExecutionProvider"])
        spec = json.loads({p.key: p.value for p in loaded.metadata_props}["ailab.spec"])
        self.assertEqual((spec["input_shape"], spec["model"]["type"]), ([1, 28, 28], model["type"]))

        weights = safetensors.torch.load_file(files["safetensors"])
        pickled = torch.load(files["pth"], weights_only=True)
        self.assertEqual(list(weights.keys() - pickled.keys()), [])
        for key, tensor in weights.items():
            self.assertTrue(torch.equal(tensor, pickled[key]), key)
        with torch.no_grad():
            expected = self.in_batches(lambda x: script(torch.from_numpy(x)).numpy(), count, 50)
            # What test has said, in probabilities.
            shares = torch.from_numpy(expected).softmax(1).max(1).values.numpy()
            self.assertLess(np.abs(shares - [line["probability"] for line in predictions]).max(), 1e-5)
            for size in sizes:
                self.compare(f"torchscript, {size}",
                             self.in_batches(lambda x: script(torch.from_numpy(x)).numpy(), count, size),
                             expected, predictions, 1e-5)
                self.compare(f"onnx, {size}",
                             self.in_batches(lambda x: session.run(None, {session.get_inputs()[0].name: x})[0],
                                             count, size), expected, predictions, 1e-4)
            if python_model:
                python_model.load_state_dict(pickled)
                python_model.eval()
                self.compare("pth", self.in_batches(lambda x: python_model(torch.from_numpy(x)).numpy(), count, 50),
                             expected, predictions, 1e-5)
        right = (expected.argmax(1) == labels(count)).mean() * 100
        self.assertLessEqual(abs(right - top1), 100 / count + 1e-6)  # a tie at most

    def test_a_template_cnn(self):
        self.check({"type": "SmallCNN", "num_classes": 10}, 1000)

    def test_strided_parameters_and_buffers(self):
        self.check({"type": "Strided"}, 100)
        artifact = self.folder / "model.ailab"
        self.assertIn("is 0 of the largest output", self.ailab("export", self.folder / "config.yaml", "latest", "--to",
                                                               "artifact", "-o", artifact))

    def test_resnet18(self):
        python = torchvision.models.resnet18(num_classes=10)
        python.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.check({"type": "resnet18", "num_classes": 10, "in_channels": 1}, MANY, python_model=python)

    def test_mobilenet_v3(self):
        python = torchvision.models.mobilenet_v3_small(num_classes=10)
        python.features[0][0] = torch.nn.Conv2d(1, 16, 3, 2, 1, bias=False)
        self.check({"type": "mobilenet_v3_small", "num_classes": 10, "in_channels": 1}, MANY, python_model=python)

    def test_vit(self):
        self.check({"type": "vit_b_32", "num_classes": 10, "in_channels": 1, "image_size": 28, "patch_size": 7},
                   1000 if LONG else 100)

    def test_weights_that_python_has_trained(self):
        torch.manual_seed(0)
        model = torchvision.models.resnet18(num_classes=10)
        model.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        x = torch.from_numpy((read_fashion_mnist("train-images-idx3-ubyte")[16:].reshape(-1, 1, 28, 28)[:2000]
                              / np.float32(255) - np.float32(MEAN)) / np.float32(STD))
        y = torch.from_numpy(read_fashion_mnist("train-labels-idx1-ubyte")[8:][:2000].astype(np.int64))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.0005)
        for i in range(0, 2000, 50):
            torch.nn.functional.cross_entropy(model(x[i:i + 50]), y[i:i + 50]).backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        count = MANY
        with torch.no_grad():
            expected = self.in_batches(lambda x: model(torch.from_numpy(x)).numpy(), count, 50)
        config = self.config({"type": "resnet18", "num_classes": 10, "in_channels": 1}, count)
        torch.save(model.state_dict(), self.folder / "python.pth")
        torch.save({"model": model.state_dict(), "epoch": 3}, self.folder / "checkpoint.pth")
        safetensors.torch.save_file(model.state_dict(), self.folder / "python.safetensors")
        right = (expected.argmax(1) == labels(count)).mean() * 100
        for name in ("python.pth", "checkpoint.pth", "python.safetensors"):
            predictions, top1 = self.results(config, self.folder / name)
            self.assertLessEqual(abs(right - top1), 100 / count + 1e-6, name)
            self.compare(name, expected, expected, predictions, 1e-5)

    def test_operations(self):
        """Group by group; the program itself has checked each file with other kernels than onnxruntime's."""
        for group in ("activations", "arithmetic", "shapes", "sums", "layers", "batch"):
            with self.subTest(group):
                self.check_graphs(f"{group}", {"type": "Operations", "group": group})

    def test_what_cannot_be_exported_is_named(self):
        for group, to, text in (("unknown", "onnx", "the operation aten::cumsum has no counterpart in ONNX"),
                                ("fixed_batch", "onnx", "was not written: the largest difference .*flatten"),
                                ("fixed_batch", "torchscript", "was not written: the largest difference .*flatten")):
            with self.subTest(group=group, to=to):
                config = self.config({"type": "Operations", "group": group}, 16, iters=1)
                self.ailab(config, "--progress", "off")
                path = self.folder / "model"
                result = subprocess.run([str(AILAB), "export", str(config), "latest", "--to", to, "-o", str(path)],
                                        capture_output=True, text=True)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, text)
                self.assertEqual(list(self.folder.glob("model*")), [])

    def check_graphs(self, name, model, padding=0):
        config = self.config(model, 16, iters=1, padding=padding)
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        self.ailab(config, "--progress", "off")
        paths = {to: self.folder / f"{name}.{to}" for to in ("torchscript", "onnx")}
        for to, path in paths.items():
            self.ailab("export", config, "latest", "--to", to, "-o", path)
        onnx.checker.check_model(onnx.load(str(paths["onnx"])), full_check=True)
        session = onnxruntime.InferenceSession(str(paths["onnx"]), providers=["CPUExecutionProvider"])
        script = torch.jit.load(str(paths["torchscript"])).eval()
        with torch.no_grad():
            for size in (1, 5):
                x = np.pad(images(size), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
                expected = script(torch.from_numpy(x)).numpy()
                actual = session.run(None, {session.get_inputs()[0].name: x})[0]
                self.assertLess(np.abs(actual - expected).max() / np.abs(expected).max(), 1e-4)

    def test_models_of_the_vision_plugin(self):
        """To TorchScript and ONNX."""
        others = ("resnet50", "wide_resnet50_2", "mobilenet_v3_large", "labresnet50")
        for name in ("resnext50_32x4d", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "mlp", "lenet5",
                     *(others if LONG else ())):
            with self.subTest(name):
                padding = 2 if name == "convnext_tiny" else 0  # it halves five times
                self.check_graphs(name, {"type": name, "num_classes": 10,
                                         **({} if name in ("mlp", "lenet5") else {"in_channels": 1})}, padding)


if __name__ == "__main__":
    unittest.main(verbosity=2)
