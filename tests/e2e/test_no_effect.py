"""What a run would leave undone without a word is told before its first step, with its place."""
import re
import unittest

from harness import call, command
from small_runs import SmallRuns


class NoEffect(SmallRuns):
    def placed(self, path, text):
        """What stands in the configuration where a line of the log points to that says `text`."""
        result = call(command(path))
        self.assertDone(result)
        lines = result.err.splitlines()
        said = [i for i, line in enumerate(lines) if text in line]
        self.assertEqual(len(said), 1, str(result))
        first = next(i for i, line in enumerate(lines) if "Epoch(train)" in line)
        self.assertLess(said[0], first, "after the first step")
        self.assertIn("WARNING", lines[said[0]])
        line, column = re.search(r"config\.yaml:(\d+):(\d+): ", lines[said[0]]).groups()
        return path.read_text().splitlines()[int(line) - 1][int(column) - 1:]

    def test_is_told_with_its_place(self):
        schedule = {"type": "StepLR", "step_size": 700}
        table = [
            ({"checkpoint": {"type": "CheckpointHook", "interval": 900, "save_last": False}},
             "CheckpointHook saves nothing: its interval is 900 epochs, of which the run has 1,", "900"),
            ({"checkpoint": {"type": "CheckpointHook", "interval": 900, "by": "iter", "save_last": False}},
             "CheckpointHook saves nothing: its interval is 900 iterations, of which the run has 3,", "900"),
            ({"ema": {"type": "EMAHook", "begin": 800}}, "EMAHook averages nothing: it begins after 800", "800"),
            ({"stop": {"type": "EarlyStopHook", "monitor": "loss", "patience": 600}},
             "EarlyStopHook never ends the run: its patience is 600, and there are at most 1 evaluation of val", "600"),
            ({"lr": {"type": "LrSchedulerHook", "by": "iter", "scheduler": schedule}},
             "StepLR gives the same learning rate, 0.1, in the whole run, of 3 optimizer steps", "{"),
            ({"lr": {"type": "LrSchedulerHook", "scheduler": {"type": "CosineAnnealingLR", "eta_min": 0.5}}},
             "CosineAnnealingLR: eta_min 0.5 lies above the learning rate 0.1", "{"),
        ]
        for hooks, text, place in table:
            with self.subTest(text):
                self.assertTrue(self.placed(self.config(hooks), text).startswith(place))

    def test_is_refused_where_nothing_can_be_meant(self):
        table = [
            ({"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": []}}},
             "phases is empty, so it would never be computed"),
            ({"predictions": {"type": "PredictionsHook", "phases": []}}, "phases is empty, so nothing would be written"),
        ]
        for hooks, text in table:
            with self.subTest(text):
                result = call(command(self.config(hooks)))
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, r"config\.yaml:\d+:\d+: .*" + text)
                self.assertFalse(self.work.exists())
        result = call(command(self.config({}), ["loss={type: CrossEntropyLoss, weight: [0, 0, 0]}"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("weight is 0 for every class, so nothing would be trained", result.err)


if __name__ == "__main__":
    unittest.main()
