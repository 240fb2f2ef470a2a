"""Results by their names: what follows one that there is not, or two metrics of one, is found before the first step; and
whether more or less of a result is better its metric says."""
import json
import unittest

from harness import AILAB, TestCase, call, command, mlp_config, mpirun
from test_labels import Labels


class Names(Labels):
    def run_with(self, overrides, ranks=1):
        if not (self.folder / "config.yaml").exists():
            self.start(self.listed("a.csv", 0, 1, 2, 1, 0, 2), self.listed("b.csv", 2, 0, 1), classes=3)
        return mpirun(ranks, command(self.folder / "config.yaml",
                                     ["work_dir=" + str(self.folder / "other"), *overrides]))

    def assertFoundBefore(self, result, *texts):
        self.assertEqual(result.status, 2, str(result))
        for text in texts:
            self.assertIn(text, result.err)
        logs = list((self.folder / "other").glob("*/metrics.jsonl"))
        self.assertFalse([path for path in logs if '"train"' in path.read_text()], "a step was taken")

    def test_a_monitor_of_what_the_first_batch_shows_to_be_missing(self):
        each = "hooks.metrics={type: MetricHook, auroc: {type: AUROC, average: none}}"
        shown = "It has: loss, auroc_0, auroc_1, auroc_2."
        table = [
            (["hooks.metrics={type: MetricHook}", "hooks.checkpoint.save_best=top5"],
             ['the phase val has no result "top5"', "It has: loss, top1."]),
            ([each, "hooks.checkpoint.save_best=auroc"], ['the phase val has no result "auroc"', shown]),
            ([each, "hooks.stop={type: EarlyStopHook, monitor: auroc}"], ['the phase val has no result "auroc"', shown]),
            ([each, "hooks.lr={type: LrSchedulerHook, monitor: auroc, scheduler: {type: ReduceLROnPlateau}}"],
             ['the phase val has no result "auroc"', shown]),
            (["hooks.metrics={type: MetricHook, f1: {type: F1Score, average: none, phases: [train]}}",
              "hooks.stop={type: EarlyStopHook, monitor: f1, phase: train}"],
             ['the phase train has no result "f1"', "It has: f1_0, f1_1, f1_2."]),
        ]
        for overrides, texts in table:
            for ranks in (1, 2):
                with self.subTest(f"{overrides}, np {ranks}"):
                    result = self.run_with(overrides, ranks)
                    self.assertFoundBefore(result, *texts)
        self.assertDone(self.run_with([each, "hooks.checkpoint.save_best=auroc_1"]))

    def test_a_monitor_where_the_run_begins_with_a_validation(self):
        """[val, train]: before that validation, not after it."""
        first = "workflow=[[val, 1], [train, 1]]"
        each = "hooks.metrics={type: MetricHook, auroc: {type: AUROC, average: none}}"
        table = [
            (["hooks.metrics={type: MetricHook}", "hooks.checkpoint.save_best=top5"],
             ['the phase val has no result "top5"', "It has: loss, top1."]),
            (["hooks.metrics={type: MetricHook}", "hooks.stop={type: EarlyStopHook, monitor: top5}"],
             ['the phase val has no result "top5"', "It has: loss, top1."]),
            ([each, "hooks.lr={type: LrSchedulerHook, monitor: auroc, scheduler: {type: ReduceLROnPlateau}}"],
             ['the phase val has no result "auroc"', "It has: loss, auroc_0, auroc_1, auroc_2."]),
        ]
        for overrides, texts in table:
            for ranks in (1, 2):
                with self.subTest(f"{overrides}, np {ranks}"):
                    result = self.run_with([first, *overrides], ranks)
                    self.assertFoundBefore(result, *texts)
                    self.assertFalse(list((self.folder / "other").glob("*/metrics.jsonl")) and any(
                        '"val"' in path.read_text() for path in (self.folder / "other").glob("*/metrics.jsonl")),
                        "it was validated")
        self.assertDone(self.run_with([first, each, "hooks.checkpoint.save_best=auroc_1"]))

    def test_two_metrics_with_one_result(self):
        result = self.run_with(["hooks.metrics={type: MetricHook, f1: {type: F1Score, average: none}, "
                                "f1_2: {type: Accuracy}}"])
        self.assertFoundBefore(result, "metric f1_2 (Accuracy) and metric f1 (F1Score) both have a result \"f1_2\"; choose "
                                       "another name for one of them")


class Directions(TestCase):
    def test_of_a_metric_of_any_name(self):
        """save_best by the metric's type; a rule of the user's counts, with a warning; `runs` says the same."""
        metrics = {"type": "MetricHook", "my_score": {"type": "CalibrationError"}}
        config = mlp_config(self.folder, total_epochs=3, model={
            "type": "mlp", "in_features": 784, "hidden": [16], "num_classes": 10}, optimizer={"type": "SGD", "lr": 0.05}, hooks={
            "metrics": metrics, "checkpoint": {"type": "CheckpointHook", "save_best": "my_score"},
            "logger": {"type": "LoggerHook", "interval": 20}})
        for rule in ("", "greater"):
            work = self.folder / f"work_{rule}"
            result = call(command(config, [f"work_dir={work}", *([f"hooks.checkpoint.rule={rule}"] if rule else [])]))
            self.assertDone(result)
            lines = [json.loads(line) for line in (work / "latest" / "metrics.jsonl").read_text().splitlines()]
            values = [line["my_score"] for line in lines if line["mode"] == "val"]
            self.assertEqual(len(set(values)), 3)
            pick = max if rule else min
            best = 1 + values.index(pick(values))
            self.assertTrue((work / "latest" / "checkpoints" / f"best_my_score_epoch_{best}").exists(), values)
            self.assertEqual("WARNING" in result.err and "as its metric says" in result.err, bool(rule), result.err)
            runs = call([str(AILAB), "runs", str(work), "--json"])
            self.assertDone(runs)
            listed, = json.loads(runs.out)
            self.assertEqual(listed["best"]["epoch"], best, "that of the best checkpoint")


if __name__ == "__main__":
    unittest.main()
