"""Serving and exports feed a model what its validation data feed it."""
import json

import numpy as np
import onnxruntime
import safetensors.torch
import torch
from PIL import Image

from harness import AILAB, PLUGINS, TestCase, call, command, mlp_config

PLUGIN = str(PLUGINS / "libfed.so")


class ServedInputs(TestCase):
    def train(self, model, data, **val):
        self.config = mlp_config(
            self.folder, model=model, hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
            data={"train": data, "val": {**data, **val}, "train_dataloader": {"batch_size": 3}})
        self.assertDone(call(command(self.config, plugins=["fed"])))
        file = self.run_folder().path / "checkpoints/epoch_1/model.safetensors"
        self.weights = safetensors.torch.load_file(file)

    def export(self, kind, refused=False):
        path = self.folder / f"model.{kind}"
        result = call([str(AILAB), "export", str(self.config), "latest", "--plugins", PLUGIN, "--to", kind,
                       "-o", str(path), "--force"])
        if refused:
            self.assertEqual(result.status, 1, str(result))
            return result
        self.assertDone(result)
        return path, result.err

    def infer(self, *words):
        result = call([str(AILAB), "infer", "--plugins", PLUGIN, *map(str, words)])
        self.assertDone(result)
        lines = [json.loads(line)["top"] for line in result.out.splitlines()]
        return np.array([[p for _, p in sorted((t["index"], t["probability"]) for t in top)] for top in lines])

    def tensors(self, name, *batches):
        path = self.folder / name
        safetensors.torch.save_file({str(i): batch for i, batch in enumerate(batches)}, path)
        return path

    def head(self, x):
        return torch.nn.functional.linear(x, self.weights["fc.weight"], self.weights["fc.bias"])

    def assertExported(self, kinds, x, wanted):
        """The program that others run the file with gives these outputs."""
        for kind in kinds:
            with self.subTest(kind=kind):
                path, _ = self.export(kind)
                if kind == "onnx":
                    session = onnxruntime.InferenceSession(str(path))
                    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
                elif kind == "torchscript":
                    found = torch.jit.load(str(path))(x).detach().numpy()
                elif kind == "pth":
                    state = torch.load(path, weights_only=True)
                    self.assertEqual(set(state), set(self.weights))
                    continue
                else:
                    self.assertClose(self.infer(path, self.tensors("x.safetensors", x)), wanted.softmax(1))
                    continue
                self.assertClose(found, wanted)

    def assertClose(self, found, wanted):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)

    def test_tokens(self):
        self.train({"type": "FedTokens"}, {"type": "FedSamples", "tokens": True})
        x = torch.arange(60).view(5, 12) % 100
        wanted = self.head(torch.nn.functional.embedding(x, self.weights["embedding.weight"]).mean(1))
        self.assertExported(("onnx", "torchscript", "artifact", "pth"), x, wanted)

    def test_pixels(self):
        pixels = np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3) * 5
        rows = []
        for i, image in enumerate(pixels):
            Image.fromarray(image).save(self.folder / f"{i}.png")
            rows.append(f"{self.folder}/{i}.png,{i % 3}")
        (self.folder / "a.csv").write_text("\n".join(["image,label", *rows]) + "\n")
        self.train({"type": "FedBytes"}, {"type": "ClassificationImageDataset",
                                          "annotation_file": str(self.folder / "a.csv"), "transforms": []})
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        wanted = self.head((x.float() / 255).flatten(1))
        files = [self.folder / f"{i}.png" for i in range(4)]
        self.assertClose(self.infer(self.config, "latest", *files), wanted.softmax(1))
        path, _ = self.export("artifact")
        self.assertClose(self.infer(path, *files), wanted.softmax(1))
        self.assertExported(("onnx", "torchscript"), x, wanted)

    def test_a_branch_on_values_is_no_graph(self):
        self.train({"type": "Branching"}, {"type": "FedSamples"})
        small, large = torch.rand(64, 12), torch.rand(8, 12) * 200
        by_batch = torch.cat([self.head(small), self.head(large / 255)]).softmax(1)
        # A graph would be frozen after the first 32 samples.
        self.assertClose(self.infer(self.config, "latest", self.tensors("small.safetensors", small),
                                    self.tensors("large.safetensors", large)), by_batch)
        for kind in ("torchscript", "onnx"):
            result = self.export(kind, refused=True)
            self.assertIn("was not written: on inputs that are no real samples its outputs differ from the live model's by",
                          result.err)
            self.assertIn("the model reads its input's values while it runs (item())", result.err)
            self.assertFalse((self.folder / f"model.{kind}").exists())
        self.export("artifact")

    def test_a_read_that_decides_nothing_is_warned_of(self):
        self.train({"type": "Checking"}, {"type": "FedSamples"})
        for kind in ("torchscript", "onnx"):
            self.assertIn("the model reads its input's values while it runs (item())", self.export(kind)[1])

    def test_no_warning_without_a_branch(self):
        self.train({"type": "BySize"}, {"type": "FedSamples"})
        for kind in ("torchscript", "onnx"):
            self.assertNotIn("reads its input's values", self.export(kind)[1])

    def test_validation_data_of_one_sample(self):
        self.train({"type": "BySize"}, {"type": "FedSamples"}, size=1)
        x = torch.rand(5, 12)
        self.assertExported(("onnx", "torchscript", "artifact"), x, self.head(x))

    def test_other_floats_before_and_after_the_graph_is_frozen(self):
        self.train({"type": "BySize"}, {"type": "FedSamples"})
        x = torch.rand(70, 12)
        for dtype in (torch.float32, torch.float16, torch.float64, torch.bfloat16):
            with self.subTest(dtype=dtype):
                given = x.to(dtype)
                found = self.infer(self.config, "latest", self.tensors("a.safetensors", x),
                                   self.tensors("b.safetensors", given))
                self.assertClose(found[70:], self.head(given.float()).softmax(1))
