"""Hooks that set one thing of a run, and what a run that had been ended early does when it goes on."""
import math
import unittest

from harness import RunFolder, TestCase, call, command, mlp_config

LOGGER = {"logger": {"type": "LoggerHook", "interval": 1}}


class Together(TestCase):
    def start(self, name, overrides=(), plugins=("mlp",), **sections):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return call(command(mlp_config(folder, **sections), overrides, plugins=plugins))


class TwoHooks(Together):
    def test_that_set_the_same_are_refused_with_the_place(self):
        def schedule(by):
            return {"type": "LrSchedulerHook", "by": by, "scheduler": {"type": "ExponentialLR", "gamma": 0.9}}
        table = [
            ("averages", {"type": "EMAHook", "decay": 0.99}, {"type": "EMAHook", "decay": 0.5},
             "the weights that are evaluated"),
            ("schedules", schedule("epoch"), schedule("iter"), "the learning rate; keep one, with warmup, or with "
             "SequentialLR or ChainedScheduler of several schedules"),
            ("precisions", {"type": "AMPHook"}, {"type": "AMPHook", "dtype": "float16"}, "mixed precision"),
            ("distributed", {"type": "DDPHook"}, {"type": "DDPHook"}, "what distributed training does"),
        ]
        for name, one, other, what in table:
            with self.subTest(name):
                result = self.start(name, hooks={"one": one, "other": other})
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, rf'config\.yaml:\d+:\d+: the hooks "one" and "other" both set {what}')
                self.assertDone(self.start(name, hooks={"one": one, "other": {**other, "enable": False}}))

    def test_that_publish_one_name_are_refused(self):
        hooks = {"one": {"type": "MetricHook", "top1": {"type": "Accuracy"}},
                 "other": {"type": "MetricHook", "top1": {"type": "Accuracy", "topk": 2}}}
        result = self.start("names", hooks=hooks)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('the phase val has a result "top1" already; choose another name', result.err)


class EndedEarly(Together):
    SECTIONS = dict(total_epochs=8, hooks={
        **LOGGER, "metrics": {"type": "MetricHook"}, "checkpoint": {"type": "CheckpointHook", "save_best": "loss"},
        "early": {"type": "EarlyStopHook", "monitor": "loss", "patience": 2, "min_delta": 5}})

    def epochs(self):
        return [line["epoch"] for line in RunFolder(self.folder / "early" / "work").lines("val")]

    def test_a_run_has_nothing_left_to_train_until_it_is_given_more_patience(self):
        self.assertDone(self.start("early", **self.SECTIONS))
        self.assertEqual(self.epochs(), [1, 2, 3])
        for _ in range(2):
            again = self.start("early", ["resume_from=auto"], **self.SECTIONS)
            self.assertDone(again)
            self.assertIn("no training is left: the run has ended early (loss has not become better", again.err)
            self.assertEqual(self.epochs(), [1, 2, 3])
        self.assertDone(self.start("early", ["resume_from=auto", "hooks.early.patience=3"], **self.SECTIONS))
        self.assertEqual(self.epochs(), [1, 2, 3, 4])


class LeftOut(Together):
    def test_a_step_without_a_number_is_no_divergence(self):
        file = self.folder / "rows.txt"
        rows = [[0.1 * i, 0.2, 0.3, 0.4, 0.5] for i in range(8)]
        rows[3][0] = 1e30  # its square is none in float32
        file.write_text("\n".join(" ".join(map(str, row)) for row in rows))
        result = self.start("left_out", plugins=["rows"], model={"type": "Shaped"}, loss={"type": "MSELoss"},
                            data={"train": {"type": "Rows", "file": str(file)}, "train_dataloader": {"batch_size": 1}},
                            workflow=[["train", 1]], total_epochs=2, optimizer={"type": "SGD", "lr": 0.01},
                            hooks={**LOGGER, "guard": {"type": "NanGuardHook", "action": "skip"}})
        self.assertDone(result)
        self.assertIn("The step is left out", result.err)
        self.assertNotIn("diverged", result.err)
        losses = RunFolder(self.folder / "left_out" / "work").lines("train")
        self.assertEqual(len(losses), 16)
        self.assertEqual(sum("loss" not in line for line in losses), 2)
        self.assertTrue(all(math.isfinite(line.get("loss", 0)) for line in losses))


if __name__ == "__main__":
    unittest.main()
