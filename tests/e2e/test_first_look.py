"""What would end a run only after its first epoch is found before its first step, and what is looked at for that leaves
no trace; and the predictions of outputs of any shape."""
import json
import re
import unittest

import numpy
from safetensors.numpy import load_file, save_file

from harness import RunFolder, TestCase, call, command, mpirun
from test_batch_norms import rows

SAW = " (the first batch of data.val, looked at before the training)"


class Runs(TestCase):
    def config(self, name, val_columns=2, columns=2, **sections):
        folder = self.folder / name
        folder.mkdir()
        numpy.savetxt(folder / "train.txt", rows(24, 3 + columns), "%.6f")
        numpy.savetxt(folder / "val.txt", rows(10, 3 + val_columns, shift=100), "%.6f")
        config = {
            "seed": 1, "work_dir": str(folder / "work"), "model": {"type": "Normed"},
            "data": {"train": {"type": "Rows", "file": str(folder / "train.txt"), "out": columns},
                     "val": {"type": "Rows", "file": str(folder / "val.txt"), "out": val_columns},
                     "train_dataloader": {"global_batch_size": 8}, "val_dataloader": {"batch_size": 4}},
            "loss": {"type": "MSELoss"}, "optimizer": {"type": "SGD", "lr": 0.1},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": 2, "runtime": {"threads": 1},
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1}, "checkpoint": {"type": "CheckpointHook"}}}
        hooks = {**config["hooks"], **sections.pop("hooks", {})}
        config.update(sections, hooks=hooks)
        path = folder / "config.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def run_folder_of(self, path):
        return RunFolder(path.parent / "work")


class BeforeTheFirstStep(Runs):
    def test_what_an_evaluation_would_refuse(self):
        table = [
            ("a metric", {"hooks": {"metrics": {"type": "MetricHook", "ssim": {
                "type": "StructuralSimilarityIndexMeasure", "data_range": 1}}}}, "{", "metric ssim (StructuralSimilarityIndexMeasure): "),
            ("a loss", {"val_columns": 3}, "{", 'loss "MSELoss": '),
        ]
        for name, sections, at, text in table:
            for ranks in (1, 2):
                with self.subTest(f"{name}, np {ranks}"):
                    path = self.config(f"{name}_{ranks}".replace(" ", "_"), **sections)
                    result = mpirun(ranks, command(path, plugins=["rows"]))
                    self.assertEqual(result.status, 2, str(result))
                    said = [line for line in result.err.splitlines() if text in line]
                    self.assertEqual(len(said), 1, str(result))
                    self.assertTrue(said[0].endswith(SAW), said[0])
                    line, column = re.search(r"config\.yaml:(\d+):(\d+): ", said[0]).groups()
                    self.assertTrue(path.read_text().splitlines()[int(line) - 1][int(column) - 1:].startswith(at))
                    metrics = self.run_folder_of(path).path / "metrics.jsonl"
                    self.assertNotIn('"train"', metrics.read_text() if metrics.exists() else "")

    def test_a_model_that_cannot_take_the_evaluated_samples(self):
        """After the first iteration: what is wrong with the data of train too is told by that."""
        path = self.config("val")
        result = call(command(path, ["data.val.in=4", "data.val.out=1"], plugins=["rows"]))
        self.assertEqual(result.status, 1, str(result))
        said = [line for line in result.err.splitlines() if 'model "Normed": ' in line]
        self.assertEqual(len(said), 1, str(result))
        self.assertTrue(said[0].endswith(SAW), said[0])
        self.assertLessEqual(len(self.run_folder_of(path).lines("train")), 1)
        result = call(command(path, ["data.val.in=4", "data.val.out=1", "data.train.in=4", "data.train.out=1"],
                              plugins=["rows"]))
        self.assertIn('step 0: model "Normed": ', result.err)
        self.assertNotIn(SAW, result.err)

    def test_a_hook_may_make_the_outputs_fit(self):
        sections = dict(columns=1, val_columns=1, loss={"type": "MeanOutput"})
        metrics = {"metrics": {"type": "MetricHook", "mae": {"type": "MeanAbsoluteError"}}}
        path = self.config("without", **sections, hooks=metrics)
        self.assertEqual(call(command(path, plugins=["rows"])).status, 2)
        path = self.config("with", **sections, hooks={**metrics, "sums": {"type": "SumsOutputs"}})
        self.assertDone(call(command(path, plugins=["rows"])))
        self.assertEqual(len(self.run_folder_of(path).lines("val")), 2)

    def test_looking_changes_nothing(self):
        """Dropout, running statistics, an epoch of metrics in training: as without any validation, to the bit."""
        runs = {}
        model = {"type": "Normed", "dropout": 0.5}
        metrics = {"metrics": {"type": "MetricHook", "mae": {
            "type": "MeanAbsoluteError", "phases": ["train", "val"]}}}
        for name, sections in (("with", {}), ("without", {"workflow": [["train", 1]]})):
            path = self.config(name, model=model, hooks=metrics, **sections)
            self.assertDone(call(command(path, plugins=["rows"])))
            runs[name] = self.run_folder_of(path)
        self.assertEqual(runs["with"].losses(), runs["without"].losses())
        states = [load_file(run.path / "checkpoints" / "epoch_2" / "model.safetensors") for run in runs.values()]
        self.assertEqual(states[0]["norm.num_batches_tracked"], 6)
        for key in states[0]:
            self.assertTrue((states[0][key] == states[1][key]).all(), key)


class Predictions(Runs):
    def test_of_outputs_of_any_shape(self):
        table = [
            ("number", lambda i, y: [y.sum()]),
            ("vector", lambda i, y: y),
            ("map", lambda i, y: [y[0], y[0], y[1], y[1]]),
            ("integers", lambda i, y: numpy.round(y)),
            ("complex", lambda i, y: y),
            ("list", lambda i, y: y[:1 + i % 2]),
        ]
        inputs = rows(10, 5, shift=100)[:, :3].astype(numpy.float32)
        fill = lambda n: numpy.sin(numpy.arange(n) * 1.3 + 0.4).astype(numpy.float32)
        weight, bias = fill(6).reshape(2, 3), fill(2)
        outputs = inputs @ weight.T + bias
        for form, wanted in table:
            for ranks in (1, 2):
                with self.subTest(f"{form}, np {ranks}"):
                    lines, cells = self.predict(form, ranks, weight, bias)
                    self.assertEqual([line["id"] for line in lines], list(range(10)))
                    self.assertEqual(lines[3]["name"], "row 3")
                    most = max(len(wanted(i, y)) for i, y in enumerate(outputs))
                    self.assertEqual(cells[0], ["id", "name", *(f"output_{k}" for k in range(most))])
                    for i, (line, row) in enumerate(zip(lines, cells[1:])):
                        expected = wanted(i, outputs[i])
                        numpy.testing.assert_allclose(line["output"], expected, rtol=1e-5, atol=1e-6)
                        self.assertEqual(len(row), len(cells[0]), "as many columns as the others")
                        found = [float(cell) for cell in row[2:] if cell]
                        numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_of_texts(self):
        lines, cells = self.predict("text", 1)
        self.assertEqual([line["output"] for line in lines], [f'say "{i}", twice' for i in range(10)])
        self.assertEqual([row[2] for row in cells[1:]], [f'say "{i}", twice' for i in range(10)])

    def test_what_is_not_by_sample_is_said(self):
        lines, _ = self.predict("mean", 1)
        self.assertEqual(lines, [])
        self.assertEqual(self.said.count("no predictions: the model's output is [] for 4 samples, not one entry a "
                                         "sample"), 2, "once from each hook")

    def predict(self, form, ranks, weight=numpy.zeros((2, 3), numpy.float32), bias=numpy.zeros(2, numpy.float32)):
        """The lines of the JSON file, and the cells of the CSV file."""
        import csv
        hooks = {"table": {"type": "PredictionsHook", "format": "csv"}, "lines": {"type": "PredictionsHook"}}
        path = self.config(f"{form}_{ranks}", model={"type": "Shaped", "as": form}, loss={"type": "NoLoss"}, hooks=hooks)
        weights = path.parent / "weights.safetensors"
        save_file({"fc.weight": weight, "fc.bias": bias}, weights)
        words = command(path, plugins=["rows"])
        result = mpirun(ranks, [words[0], "test", *words[1:], str(weights)])
        self.assertDone(result)
        self.said = result.err
        folder = RunFolder(path.parent / "work" / "test").path
        with open(folder / "predictions_val.csv", newline="") as file:
            cells = list(csv.reader(file))
        return [json.loads(line) for line in (folder / "predictions_val.jsonl").read_text().splitlines()], cells


if __name__ == "__main__":
    unittest.main()
