"""Hooks that steer the training, in whole runs: schedules, early stop, average of the weights."""
import pathlib

from harness import TestCase, RunFolder, command, mlp_config, mpirun

USUAL = {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook", "interval": 10}}


class TrainingHooks(TestCase):
    def train(self, name, ranks=1, hooks=None, **sections):
        """A run of 63 steps an epoch in a folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        config = mlp_config(folder, hooks={**USUAL, **(hooks or {})}, **sections)
        result = mpirun(ranks, command(config, plugins=["mlp"]))
        self.assertDone(result)
        return RunFolder(folder / "work")

    def checkpoint(self, run, file):
        newest = pathlib.Path((run.path.parent / "last_checkpoint").read_text().strip())
        return ((newest if newest.is_absolute() else run.path.parent / newest) / file).read_bytes()

    def test_warm_up_comes_before_the_schedule(self):
        run = self.train("warm_up", hooks={
            "logger": {"type": "LoggerHook", "interval": 1},
            "lr_scheduler": {"type": "LrSchedulerHook", "by": "iter", "warmup": "linear",
                             "warmup_iters": 4, "warmup_ratio": 0.2,
                             "scheduler": {"type": "PolynomialLR", "total_iters": 100}}})
        factors = [0.2, 0.4, 0.6, 0.8] + [1] * 59
        for t, record in enumerate(run.lines("train")):
            self.assertAlmostEqual(record["lr"], 0.001 * factors[t] * (1 - t / 100), delta=1e-12)

    def test_on_plateau_follows_a_metric(self):
        run = self.train("plateau", total_epochs=4, hooks={
            "lr_scheduler": {"type": "LrSchedulerHook", "monitor": "top1", "scheduler": {
                "type": "ReduceLROnPlateau", "mode": "max", "factor": 0.5, "patience": 0,
                "threshold": 1000, "threshold_mode": "abs"}}})
        by_epoch = {r["epoch"]: r["lr"] for r in run.lines("train")}
        self.assertEqual(by_epoch, {1: 0.001, 2: 0.001, 3: 0.0005, 4: 0.00025})

    def test_early_stop_ends_the_run(self):
        run = self.train("early", ranks=2, total_epochs=10, hooks={
            "early": {"type": "EarlyStopHook", "monitor": "top1", "min_delta": 1000, "patience": 2}})
        values = [r["top1"] for r in run.lines("val")]
        self.assertEqual(len(values), 3)
        summary = run.lines()[-1]
        self.assertRegex(summary["exit"],
                         r"^stopped: top1 has not become better than [\d.]+ in 2 evaluations$")
        self.assertIn("without improvement of val top1, greater is better, as its metric says",
                      (run.path / "train.log").read_text())

    def test_the_average_is_evaluated_and_does_not_touch_the_training(self):
        keep = {"checkpoint": {"type": "CheckpointHook"}}
        plain = self.train("plain", ranks=2, total_epochs=2, hooks=keep)
        runs = {}
        for decay in (0.0, 0.98):
            runs[decay] = self.train(f"decay_{decay}", ranks=2, total_epochs=2, hooks={
                **keep, "ema": {"type": "EMAHook", "decay": decay}})
        for run in runs.values():
            self.assertEqual(run.losses(), plain.losses())
            self.assertEqual(self.checkpoint(run, "model.safetensors"),
                             self.checkpoint(plain, "model.safetensors"))
            self.assertIn(b"hook.ema/", self.checkpoint(run, "state.safetensors"))
        evaluations = {decay: [r["loss"] for r in run.lines("val")] for decay, run in runs.items()}
        expected = [r["loss"] for r in plain.lines("val")]
        self.assertEqual(evaluations[0.0], expected, "without memory it is the weights themselves")
        for average, own in zip(evaluations[0.98], expected):
            self.assertNotEqual(average, own)


if __name__ == "__main__":
    import unittest
    unittest.main()
