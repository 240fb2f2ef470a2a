"""Our checkpoints read by the Python packages, and their safetensors files read by us.

    python test_safetensors.py <checkpoint_tool>
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from crc32c import crc32c

TOOL = sys.argv.pop(1)


def tool(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)


class OurCheckpoint(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name) / "epoch_1"
        done = tool("write", cls.path)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_model_loads_in_torch(self):
        model = safetensors.torch.load_file(self.path / "model.safetensors")
        numbers = torch.arange(24, dtype=torch.float32)
        expected = {
            "conv.weight": numbers.reshape(2, 3, 2, 2),
            "conv.bias": torch.tensor([0.5, -0.5]),
            "bn.num_batches_tracked": torch.tensor(7),
            "half": numbers.half(),
            "bfloat16": numbers.bfloat16(),
            "double": numbers.double() / 3,
            "bool": numbers.remainder(3) == 0,
            "empty": torch.empty(0, 4),
            "tied": numbers.reshape(2, 3, 2, 2),  # under each of its names
        }
        self.assertEqual(set(model), set(expected))
        for name, tensor in expected.items():
            self.assertEqual(model[name].dtype, tensor.dtype, name)
            self.assertEqual(model[name].shape, tensor.shape, name)
            self.assertTrue(torch.equal(model[name], tensor), name)

    def test_metadata_is_what_tools_expect(self):
        with safetensors.safe_open(self.path / "model.safetensors", "pt") as file:
            self.assertEqual(file.metadata(), {"format": "pt", "tied": "conv.weight"})

    def test_tied_weights_load_into_a_module(self):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = torch.nn.Conv2d(3, 2, 2)
                self.tied = self.conv.weight

        module = Tied()
        safetensors.torch.load_model(module, self.path / "model.safetensors", strict=False)
        self.assertEqual(module.tied[1, 2, 1, 1].item(), 23)

    def test_state_loads_in_numpy(self):
        state = safetensors.numpy.load_file(self.path / "state.safetensors")
        np.testing.assert_array_equal(state["optimizer/exp_avg/conv.bias"], np.ones(2, np.float32))
        rank = safetensors.numpy.load_file(self.path / "rank0.safetensors")
        np.testing.assert_array_equal(rank["generator"], np.arange(8, dtype=np.uint8))
        values = json.loads((self.path / "state.json").read_text())
        self.assertEqual(values, {"modules": {"optimizer": {"lr": 0.1}}, "run": {"step": 3}})

    def test_manifest_tells_what_is_there(self):
        manifest = json.loads((self.path / "manifest.json").read_text())
        self.assertEqual(manifest["step"], 3)
        self.assertEqual(manifest["world_size"], 1)
        files = {p.name for p in self.path.iterdir()} - {"manifest.json"}
        self.assertEqual(set(manifest["files"]), files)
        for name, entry in manifest["files"].items():
            data = (self.path / name).read_bytes()
            self.assertEqual(entry, {"size": len(data), "crc32c": f"{crc32c(data):08x}"}, name)


class TheirFiles(unittest.TestCase):
    DTYPES = {
        torch.float64: "Double", torch.float32: "Float", torch.float16: "Half",
        torch.bfloat16: "BFloat16", torch.int64: "Long", torch.int32: "Int",
        torch.int16: "Short", torch.int8: "Char", torch.uint8: "Byte", torch.bool: "Bool",
        torch.uint16: "UInt16", torch.uint32: "UInt32", torch.uint64: "UInt64",
        torch.float8_e4m3fn: "Float8_e4m3fn", torch.float8_e5m2: "Float8_e5m2",
    }

    def test_all_dtypes_and_shapes(self):
        tensors = {}
        for i, dtype in enumerate(self.DTYPES):
            tensors[f"t{i}"] = torch.arange(6, dtype=torch.float32).to(dtype).reshape(2, 3)
        tensors["scalar"] = torch.tensor(2.5)
        tensors["empty"] = torch.empty(3, 0)
        tensors["漢字"] = torch.ones(2)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "theirs.safetensors"
            safetensors.torch.save_file(tensors, path, metadata={"format": "pt", "by": "Python"})
            done = tool("list", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual([f[1:] for f in found if f[0] == "metadata"],
                         [["by", "Python"], ["format", "pt"]])
        entries = {f[0]: f[1:] for f in found if f[0] != "metadata"}
        self.assertEqual(set(entries), set(tensors))
        for name, tensor in tensors.items():
            data = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() \
                if tensor.numel() else b""
            shape = "[" + ", ".join(map(str, tensor.shape)) + "]"
            self.assertEqual(entries[name],
                             [self.DTYPES[tensor.dtype], shape, f"{crc32c(data):08x}"], name)

    def test_damage_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "theirs.safetensors"
            safetensors.torch.save_file({"a": torch.ones(4)}, path)
            path.write_bytes(path.read_bytes()[:-1])
            done = tool("list", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is truncated: its tensors take 16 bytes, 15 are there", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
