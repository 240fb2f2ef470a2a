"""Each weights are validated once, also where the run's end cuts the last round of its workflow short."""
import json
import unittest

from harness import RunFolder, call, command
from small_runs import SmallRuns


class CutRounds(SmallRuns):
    def validations(self, *overrides):
        """The steps after which the run has validated."""
        result = call(command(self.config({"checkpoint": {"type": "CheckpointHook", "by": "iter"}}), overrides))
        self.assertDone(result)
        step, steps = 0, []
        for line in (RunFolder(self.work).path / "metrics.jsonl").read_text().splitlines():
            line = json.loads(line)
            if line["mode"] == "train":
                step = line["step"]
            elif line["mode"] == "val":
                steps.append(step)
        return steps

    def test_rounds(self):
        by_iters = "[{phase: train, iters: 2}, {phase: val}, {phase: train, iters: 3}, {phase: val}]"
        twice = "[[train, 1], [val, 1], [train, 1], [val, 1]]"
        for workflow, end, wanted in (
                (by_iters, "total_iters=5", [2, 5]),
                (by_iters, "total_iters=7", [2, 5, 7]),
                (by_iters, "total_iters=6", [2, 5, 6]),
                (by_iters, "total_iters=9", [2, 5, 7, 9]),
                ("[{phase: train, iters: 2}, {phase: val}]", "total_iters=5", [2, 4, 5]),
                (twice, "total_epochs=3", [3, 6, 9]),
                (twice, "total_iters=4", [3, 4]),
                ("[[train, 1], [val, 2]]", "total_epochs=1", [3, 3]),
                ("[[val, 1], [train, 1], [val, 1]]", "total_epochs=1", [0, 3])):
            with self.subTest(workflow=workflow, end=end):
                self.setUp()
                overrides = [f"workflow={workflow}", end] + ([] if "epochs" in end else ["total_epochs=null"])
                self.assertEqual(self.validations(*overrides), wanted)

    def test_a_run_that_goes_on(self):
        """From the checkpoint that was written before the last validation, and from after it."""
        overrides = ["workflow=[{phase: train, iters: 2}, {phase: val}, {phase: train, iters: 3}, {phase: val}]",
                     "total_epochs=null", "total_iters=7"]
        self.assertEqual(self.validations(*overrides), [2, 5, 7])
        for checkpoint, wanted in (("iter_5", [2, 5, 7]), ("iter_7", [2, 5, 7])):
            with self.subTest(checkpoint=checkpoint):
                path = RunFolder(self.work).path / "checkpoints" / checkpoint
                self.assertEqual(self.validations(*overrides, f"resume_from={path}"), wanted)


if __name__ == "__main__":
    unittest.main()
