"""What predictions are is the task's to say: test, infer, browse, the report and export ask it."""
import csv
import json
import re
import unittest

import numpy as np
import safetensors.numpy
from PIL import Image

from harness import AILAB, PLUGINS, RunFolder, TestCase, call, command, mlp_config, mpirun

SIZE, SIDE = 20, 8
TARGETS = np.arange(SIZE) % 5


def dots():
    images = np.zeros((SIZE, 1, SIDE, SIDE), np.float32)
    for i in range(SIZE):
        for dot in range(i % 5):
            images[i].reshape(-1)[(i * 7 + dot * 13) % (SIDE * SIDE)] = 1
    return images


class Tasks(TestCase):
    def train(self, loss="PoissonNLLLoss", column=False, name="config.yaml", **sections):
        data = {"type": "Dots", "size": SIZE}
        sections = {"loss": {"type": loss}, "model": {"type": "Rate", "column": column},
                    "data": {"train": data, "val": data, "train_dataloader": {"global_batch_size": 4},
                             "val_dataloader": {"batch_size": 3}},
                    "hooks": {"checkpoint": {"type": "CheckpointHook"}}, **sections}
        self.config = mlp_config(self.folder, **sections)
        self.assertDone(call(command(self.config, plugins=["counting"])))
        weights = safetensors.numpy.load_file(self.run_folder().path / "checkpoints/epoch_1/model.safetensors")
        self.outputs = dots().reshape(SIZE, -1) @ weights["fc.weight"][0] + weights["fc.bias"][0]
        self.weights = weights

    def words(self, action, *words):
        return [str(AILAB), action, "--plugins", str(PLUGINS / "libcounting.so"), *map(str, words)]

    def evaluated(self, *words, ranks=1, format="jsonl"):
        result = mpirun(ranks, self.words("test", self.config, "latest", *words))
        self.assertDone(result)
        folder = RunFolder(self.work / "test").path
        text = (folder / f"predictions_val.{format}").read_text()
        lines = [json.loads(line) for line in text.splitlines()] if format == "jsonl" else list(csv.reader(text.splitlines()))
        return lines, result, (folder / "report.html").read_text()

    def infer(self, *words):
        safetensors.numpy.save_file({"x": dots()}, self.folder / "x.safetensors")
        result = call(self.words("infer", *words, self.folder / "x.safetensors"))
        self.assertDone(result)
        return [{key: value for key, value in json.loads(line).items() if key not in ("file", "time")}
                for line in result.out.splitlines()]

    def without_task(self):
        """The same configuration, which names no task."""
        text = json.loads(self.config.read_text())
        del text["task"]
        path = self.folder / "plain.yaml"
        path.write_text(json.dumps(text))
        return path

    def export(self, form, *words):
        path = self.folder / f"model.{form}"
        return path, call(self.words("export", self.config, "latest", "--to", form, "-o", path, "--force", *words))


class OwnTask(Tasks):
    def setUp(self):
        super().setUp()
        self.train(task={"type": "Counting", "unit": "spots"})
        self.rates = np.exp(self.outputs)

    def check(self, lines):
        self.assertEqual([line["count"] for line in lines], np.rint(self.rates).tolist())
        np.testing.assert_allclose([line["rate"] for line in lines], self.rates, rtol=1e-5)

    def test_the_lines_of_test(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                lines, result, report = self.evaluated(ranks=ranks)
                self.assertEqual([list(line) for line in lines], [["id", "name", "target", "count", "rate"]] * SIZE)
                self.check(lines)
                self.assertEqual([line["target"] for line in lines], [[t] for t in TARGETS])
                off = np.abs(np.rint(self.rates) - TARGETS)
                self.assertIn(f"counts of val: {(off == 0).sum()} of {SIZE} right", result.err)
                cells = re.search(r"Counts, val.*?<tbody>(.*?)</tbody>", report, re.S) or re.search(
                    r"Counts, val(.*?)</table>", report, re.S)
                numbers = re.findall(r"<td[^>]*>([^<]*)</td>", cells[1])
                self.assertEqual(numbers[:3], [str((off == 0).sum()), str((off == 1).sum()), str(SIZE)])
                worst = np.lexsort((np.arange(SIZE), -off))
                names = re.findall(r"dots \d+", report[report.index("Miscounted, val"):])
                self.assertEqual(names, [f"dots {i}" for i in worst])

    def test_a_table(self):
        rows, _, _ = self.evaluated("hooks.predictions={type: PredictionsHook, format: csv}", format="csv")
        self.assertEqual(rows[0], ["id", "name", "count", "rate"])
        self.check([{"count": int(row[2]), "rate": float(row[3])} for row in rows[1:]])

    def test_infer_by_configuration_checkpoint_and_artifact(self):
        path, result = self.export("artifact")
        self.assertDone(result)
        for words in ([self.config, "latest"], [self.without_task(), "latest"], [path]):
            with self.subTest(words=words):
                self.check(self.infer(*words))
        # By name alone, with the options' defaults; a name that does not exist.
        self.check(self.infer(self.config, "latest", "task=Counting"))
        result = call(self.words("infer", self.config, "latest", "task=Countin", self.folder / "x.safetensors"))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('unknown task "Countin"; did you mean "Counting"?', result.err)

    def test_the_mean_of_views(self):
        lines, _, _ = self.evaluated("--tta", "flip")
        mirrored = np.exp(dots()[..., ::-1].reshape(SIZE, -1) @ self.weights["fc.weight"][0] + self.weights["fc.bias"][0])
        np.testing.assert_allclose([line["rate"] for line in lines], (self.rates + mirrored) / 2, rtol=1e-5)

    def test_browse_draws(self):
        page = self.folder / "page.png"
        result = call(self.words("browse", self.config, "--phase", "val", "--count", "5", "-o", page))
        self.assertDone(result)
        told = [line.split("\t") for line in result.out.splitlines()][:5]
        self.assertEqual(told, [[str(i), f"{i % 5} spots", f"dots {i}"] for i in range(5)])
        pixels = np.asarray(Image.open(page).convert("RGB")).astype(int)
        red = (pixels[..., 0] > 200) & (pixels[..., 1] < 50) & (pixels[..., 2] < 50)
        self.assertEqual(red.sum(), 2 * sum(range(5)))  # as it is read, and as it is fed

    def test_exporters(self):
        path, result = self.export("counts")
        self.assertDone(result)
        self.assertIn("the largest difference from the live model, over 8 real samples, is ", result.out)
        head, *numbers = path.read_text().splitlines()
        self.assertEqual(head, "counts 1")
        np.testing.assert_array_equal(np.array(numbers, np.float32),
                                      np.concatenate([self.weights["fc.bias"], self.weights["fc.weight"][0]]))
        path, result = self.export("summary")
        self.assertDone(result)
        self.assertIn("nothing reads a file of the form summary, so it was not compared with the live model", result.out)
        self.check([json.loads(line) for line in path.read_text().splitlines()] +
                   [{"count": int(np.rint(rate)), "rate": rate} for rate in self.rates[8:]])
        path, result = self.export("count")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("--to count is unknown. Did you mean counts? It takes: artifact, counts, onnx, pth, safetensors, "
                      "summary, torchscript.", result.err)
        self.assertFalse(path.exists())

    def test_they_are_listed(self):
        for kind, names in (("task", ["Classification", "Counting", "MultiLabel", "Regression"]),
                            ("exporter", ["artifact", "counts", "onnx", "pth", "safetensors", "summary", "torchscript"])):
            result = call([str(AILAB), "--list-modules", kind, "--plugins", str(PLUGINS / "libcounting.so"), "--json"])
            self.assertDone(result)
            self.assertEqual([module["name"] for module in json.loads(result.out)], names)


class BuiltInRegression(Tasks):
    def test_one_number(self):
        """[N] and [N, 1]: tested, inferred and exported."""
        for column in (False, True):
            with self.subTest(column=column):
                self.setUp()
                self.train("L1Loss", column, data={
                    "train": {"type": "Dots"}, "val": {"type": "Dots"}, "train_dataloader": {"global_batch_size": 4},
                    "val_dataloader": {"batch_size": 3}}, task="Regression")
                lines, _, report = self.evaluated()
                self.assertEqual([np.ravel(line["target"]).tolist() for line in lines], [[t] for t in TARGETS])
                np.testing.assert_allclose([np.ravel(line["output"])[0] for line in lines], self.outputs, rtol=1e-5)
                error = self.outputs - TARGETS
                cells = re.search(r"Errors, val(.*?)</table>", report, re.S)[1]
                numbers = [float(cell) for cell in re.findall(r"<td[^>]*>([-0-9.e]+)</td>", cells)]
                wanted = [SIZE, error.mean(), np.abs(error).mean(), np.sqrt((error ** 2).mean()),
                          1 - (error ** 2).sum() / ((TARGETS - TARGETS.mean()) ** 2).sum()]
                np.testing.assert_allclose(numbers, wanted, rtol=1e-4)
                worst = [f"dots {i}" for i in np.lexsort((np.arange(SIZE), -np.abs(error)))]
                self.assertEqual(re.findall(r"dots \d+", report[report.index("Worst samples, val"):])[:5], worst[:5])
                found = self.infer(self.config, "latest")
                np.testing.assert_allclose([np.ravel(line["output"])[0] for line in found], self.outputs, rtol=1e-5)
                for form in ("artifact", "onnx", "torchscript", "safetensors", "pth"):
                    path, result = self.export(form)
                    self.assertDone(result)
                    if form == "artifact":
                        found = self.infer(path)
                        np.testing.assert_allclose([np.ravel(line["output"])[0] for line in found], self.outputs,
                                                   rtol=1e-5)

    def test_it_is_what_a_loss_of_values_means(self):
        """A number of classes among the targets makes no classifier of it, and no task need be named."""
        for loss in ("MSELoss", "SmoothL1Loss"):
            with self.subTest(loss=loss):
                self.setUp()
                self.train(loss)
                lines, _, report = self.evaluated()
                self.assertEqual([list(line) for line in lines], [["id", "name", "target", "output"]] * SIZE)
                self.assertIn("Errors, val", report)
                self.assertEqual([list(line) for line in self.infer(self.config, "latest")], [["output"]] * SIZE)


if __name__ == "__main__":
    unittest.main()
