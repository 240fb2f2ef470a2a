"""Metrics over an evaluation are the same numbers, to the last bit, for any number of ranks and any
backend."""
from harness import TestCase, RunFolder, command, mpirun, mlp_config

METRICS = {
    "f1": {"type": "F1Score", "average": "macro"},
    "recall": {"type": "Recall", "average": "none", "num_classes": 10},
    "kappa": {"type": "CohenKappa", "weights": "quadratic"},
    "auroc": {"type": "AUROC"},
    "dice": {"type": "DiceScore", "average": "macro"},
    "perplexity": {"type": "Perplexity"},
}


class Metrics(TestCase):
    def evaluate(self, name, ranks, backend, **sections):
        folder = self.folder / name
        folder.mkdir()
        config = mlp_config(folder, dist={"backend": backend}, runtime={"threads": 1},
                            workflow=[["val", 1]],
                            hooks={"metrics": {"type": "MetricHook", **METRICS},
                                   "logger": {"type": "LoggerHook"}}, **sections)
        result = mpirun(ranks, command(config, plugins=["mlp"]))
        self.assertDone(result)
        line, = RunFolder(folder / "work").lines("val")
        return {key: value for key, value in line.items() if key.split("_")[0] in METRICS}

    def test_are_the_same_bits_on_any_number_of_ranks(self):
        alone = self.evaluate("alone", 1, "auto")
        self.assertEqual(len(alone), len(METRICS) - 1 + 10)  # recall of each class
        self.assertTrue(all(0 < alone[name] < 1 for name in ("f1", "auroc", "dice")), alone)
        # 10 batches: of 4 ranks, two have none in the last round.
        for ranks, backend in ((2, "shm"), (4, "gloo"), (4, "mpi")):
            with self.subTest(ranks=ranks, backend=backend):
                self.assertEqual(self.evaluate(backend, ranks, backend), alone)

    def test_targets_that_are_no_classes_are_refused_with_a_reason(self):
        config = mlp_config(self.folder, hooks={"metrics": {"type": "MetricHook", "f1": {
            "type": "F1Score", "mapping": {"output": "target"}, "num_classes": 7}}})
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                result = mpirun(ranks, command(config, plugins=["mlp"]))
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, r"config.yaml:\d+:\d+: metric f1 \(F1Score\): \d+ targets")
                self.assertIn("ignore_index", result.err)
