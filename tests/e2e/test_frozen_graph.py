"""`infer` on a CPU goes on with a frozen graph after some samples: its answers stay the model's."""
import json
import subprocess

import safetensors.torch
import torch

from harness import AILAB, PLUGINS, TestCase, call, command, environment, mlp_config


class FrozenGraph(TestCase):
    def train(self, **model):
        generator = torch.Generator().manual_seed(1)
        rows = torch.cat([torch.randn(40, 3, generator=generator), torch.randn(40, 3, generator=generator)], 1)
        (self.folder / "rows.txt").write_text("\n".join(" ".join(map(str, row)) for row in rows.tolist()))
        data = {"type": "Rows", "file": str(self.folder / "rows.txt"), "in": 3, "out": 3}
        self.config = mlp_config(
            self.folder, loss={"type": "MSELoss"}, model=model,
            data={"train": data, "val": data, "train_dataloader": {"global_batch_size": 8},
                  "val_dataloader": {"batch_size": 40}},
            hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
        self.plugins = ["rows", "decides"]
        self.assertDone(call(command(self.config, plugins=self.plugins)))
        self.weights = safetensors.torch.load_file(self.run_folder().path / "checkpoints/epoch_1/model.safetensors")

    def layer(self, inputs):
        return torch.nn.functional.linear(inputs, self.weights["layer.weight"], self.weights["layer.bias"])

    def infer(self, **tensors):
        for name, tensor in tensors.items():
            safetensors.torch.save_file({"x": tensor}, self.folder / f"{name}.safetensors")
        words = [str(AILAB), "infer", *(f"--plugins={PLUGINS}/lib{name}.so" for name in self.plugins),
                 str(self.config), "latest", *(str(self.folder / f"{name}.safetensors") for name in tensors)]
        result = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return torch.tensor([json.loads(line)["output"] for line in result.stdout.splitlines()])

    def test_a_model_that_decides_by_values_is_run_as_it_is(self):
        """pytorch#23999: a trace goes the way of its example."""
        self.train(type="Decides")
        generator = torch.Generator().manual_seed(2)
        small, large = torch.randn(64, 3, generator=generator), 200 + torch.rand(8, 3, generator=generator)
        found = self.infer(a=small, b=large)
        self.assertLess(float((found[:64] - self.layer(small)).abs().max()), 1e-5)
        self.assertLess(float((found[64:] - self.layer(large / 255)).abs().max()), 1e-5)

    def test_other_floats_after_it_is_frozen(self):
        """boxmot#2230: half after float32."""
        self.train(type="Normed", out=3)
        inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(3))
        found = self.infer(a=inputs, b=inputs.half(), c=inputs.double())
        self.assertLess(float((found[64:128] - found[:64]).abs().max()), 1e-2)
        self.assertLess(float((found[128:] - found[:64]).abs().max()), 1e-5)
