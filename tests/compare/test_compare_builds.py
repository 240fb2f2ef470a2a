"""compare_builds.py sees a sample, a logged number and a bit of a tensor that differ, and lets pass what the list of
exceptions names."""
import json
import pathlib
import shutil
import tempfile
import unittest

import torch
from compare_builds import differences, judge
from safetensors.torch import save_file


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.this = self.write("this")

    def write(self, name, ids=(3, 1, 2), loss=0.5, seconds=1.0, weight=(1.0, -0.0), dtype=torch.float32, extra=None):
        run = self.folder / name
        checkpoint = run / "checkpoints" / "epoch_2"
        checkpoint.mkdir(parents=True)
        (run / "samples.rank0.jsonl").write_text(json.dumps({"step": 0, "ids": ids}) + "\n")
        (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": loss, "time": seconds}) + "\n")
        tensors = {"fc.weight": torch.tensor(weight, dtype=dtype), **(extra or {})}
        save_file(tensors, checkpoint / "model.safetensors")
        (checkpoint / "manifest.json").write_text("{}")
        return run

    def found(self, **changed):
        other = self.write("other", **changed)
        return differences(self.this, other)[0]

    def test_equal_runs_are_equal_whatever_the_clock_says(self):
        self.assertEqual(self.found(seconds=2.0), [])

    def test_what_differs_is_named(self):
        for changed, address, text in (
                (dict(ids=(1, 3, 2)), "samples.rank0 step 0", "differs: [3, 1, 2] here, [1, 3, 2] there"),
                (dict(loss=0.5000001), "metrics line 1 loss", "differs by 1e-07: 0.5 here, 0.5000001 there"),
                (dict(weight=(1.0, 0.0)), "model.safetensors fc.weight", "differs by 0"),
                (dict(weight=(1.0, 0.0, 2.0)), "model.safetensors fc.weight", "differs"),
                (dict(dtype=torch.float64), "model.safetensors fc.weight", "differs by 0"),
                (dict(extra={"fc.bias": torch.zeros(1)}), "model.safetensors fc.bias", "only the other has it")):
            with self.subTest(address=address, changed=changed):
                found = self.found(**changed)
                self.assertEqual([(f[0], f[2]) for f in found], [(address, text)])
                shutil.rmtree(self.folder / "other")

    def test_an_exception_covers_what_it_names_within_its_tolerance(self):
        found = [("metrics line 1 loss", 1e-7, "differs by 1e-07")]
        covering = {"case": "cifar10 .*", "what": "metrics .* loss", "reason": "summed in another order"}
        for case, exception, covered in (
                ("cifar10 np 2", covering, True), ("cifar10 np 2", {**covering, "tolerance": 1e-6}, True),
                ("cifar10 np 2", {**covering, "tolerance": 1e-8}, False), ("gan np 1", covering, False),
                ("cifar10 np 2", {**covering, "what": "metrics .* lr"}, False)):
            with self.subTest(case=case, exception=exception):
                used = set()
                self.assertEqual(judge(case, found, [exception], used) == [], covered)
                self.assertEqual(used, {"summed in another order"} if covered else set())

    def test_a_tolerance_covers_nothing_that_is_missing(self):
        exception = {"case": ".*", "what": ".*", "reason": "any", "tolerance": 1e9}
        self.assertTrue(judge("x", [("model.safetensors fc.bias", None, "only this tree has it")], [exception], set()))


if __name__ == "__main__":
    unittest.main()
