"""Tools over runs and checkpoints, and the hooks that write for people: report, csv."""
import csv
import json
import re

from harness import AILAB, RunFolder, TestCase, call, command, mlp_config


class Tools(TestCase):
    def train(self, lr, **sections):
        hooks = {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook", "interval": 10},
                 "checkpoint": {"type": "CheckpointHook", "interval": 1}, **sections.pop("hooks", {})}
        self.config = mlp_config(self.folder, optimizer={"type": "Adam", "lr": lr}, hooks=hooks, **sections)
        result = call(command(self.config, plugins=["mlp"]))
        self.assertDone(result)
        return self.run_folder().path

    def tool(self, *words, status=0):
        result = call([str(AILAB), *map(str, words)], cwd=self.folder)
        self.assertEqual(result.status, status, str(result))
        return result.out if status == 0 else result.err

    def test_runs_and_compare(self):
        first = self.train(0.001)
        second = self.train(0.01, total_epochs=2, hooks={"ema": {"type": "EMAHook"}})
        table = self.tool("runs", self.work).splitlines()
        self.assertEqual(len(table), 3)
        self.assertRegex(table[0], r"^run +state +epoch +best +duration +configuration$")
        self.assertRegex(table[1], rf"^{first.name} +done +1 +val top1 \d+(\.\d+)? \(epoch 1\) +0:00:0\d +"
                                   r"optimizer\.lr=0\.001 total_epochs=1$")
        self.assertRegex(table[2], r"  hooks\.ema\.type=EMAHook optimizer\.lr=0\.01 total_epochs=2$")
        listed = json.loads(self.tool("runs", self.work, "--json"))
        self.assertEqual([run["run"] for run in listed], [str(first), str(second)])

        self.assertEqual(self.tool("compare", first, second), "compare.html\n")
        page = (self.folder / "compare.html").read_text()
        for text in ("<svg", "optimizer.lr", first.name, second.name, "top1"):
            self.assertIn(text, page)
        self.assertNotRegex(page, r"(src|href)=\"(?!data:)")
        self.assertIn("exists; give another -o", self.tool("compare", first, second, status=2))
        self.assertIn("is no run's folder", self.tool("compare", first, self.work, "-o", "x.html", status=1))

    def test_the_best_is_the_least_of_errors(self):
        """confopt#5: the best is not the maximum of any metric."""
        path = self.train(0.001)
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        values = (3.0, 1.0, 2.0)
        for name, kind, best in (("mae", None, "1 (epoch 2)"), ("ppl", None, "1 (epoch 2)"),
                                 ("cls_loss", None, "1 (epoch 2)"), ("auroc", None, "3 (epoch 1)"),
                                 ("m", "MeanAbsoluteError", "1 (epoch 2)"), ("m", "R2Score", "3 (epoch 1)")):
            with self.subTest(name=name, kind=kind):
                config = json.loads(self.config.read_text())
                config["hooks"]["metrics"] = {"type": "MetricHook", **({name: {"type": kind}} if kind else {})}
                (path / "config.yaml").write_text(json.dumps(config))
                written = [line for line in lines if line["mode"] == "train"]
                written += [{"mode": "val", "epoch": epoch, "iter": 63 * epoch, "step": 63 * epoch, name: value}
                            for epoch, value in enumerate(values, 1)]
                (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
                listed, = json.loads(self.tool("runs", path, "--json"))
                self.assertEqual(listed["best"], f"val {name} {best}")
                self.tool("compare", path, path, "-o", f"{name}_{kind}.html")
                self.assertIn(f"val {name} {best}", (self.folder / f"{name}_{kind}.html").read_text())

    def test_a_run_that_was_broken_off_is_called_so(self):
        path = self.train(0.001)
        log = path / "metrics.jsonl"
        log.write_text("".join(line for line in log.read_text().splitlines(True) if '"summary"' not in line) + '{"mo')
        self.assertIn("broken off", self.tool("runs", self.work))

    def test_inspect(self):
        path = self.train(0.001) / "checkpoints" / "epoch_1"
        text = self.tool("inspect", path)
        for part in ("valid: yes", "model: MLP", "epoch: 1", "step: 63", "ranks: 1", "model.safetensors: 0."):
            self.assertIn(part, text)
        self.assertRegex(text, r"weights: \d+ tensors, \d+ numbers")
        told = json.loads(self.tool("inspect", path, "--json"))[0]
        self.assertTrue(any(tensor["shape"].startswith("[10, ") for tensor in told["tensors"]), told)
        data = bytearray((path / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (path / "model.safetensors").write_bytes(data)
        self.assertRegex(self.tool("inspect", path), "valid: no: .*model.safetensors")

    def test_average(self):
        folder = self.train(0.001, total_epochs=2) / "checkpoints"
        out = self.tool("average", folder / "epoch_1", folder / "epoch_2", "-o", "mean.safetensors")
        self.assertIn("the mean of 2 checkpoints", out)
        self.assertDone(call([str(AILAB), "test", str(self.config), str(self.folder / "mean.safetensors"),
                              *command(self.config, plugins=["mlp"])[1:3]]))
        self.assertIn("takes two checkpoints", self.tool("average", folder / "epoch_1", "-o", "x", status=2))
        self.assertIn("average writes a .safetensors file",
                      self.tool("average", folder / "epoch_1", folder / "epoch_2", "-o", "x.pth", status=2))
        self.assertIn("-o FILE.safetensors is missing",
                      self.tool("average", folder / "epoch_1", folder / "epoch_2", status=2))

    def test_report(self):
        path = self.train(0.001, hooks={"report": {"type": "ReportHook"}}, total_epochs=2)
        page = (path / "report.html").read_text()
        for text in ("Losses and metrics", "Learning rate", "Speed", "Confusion matrix, val", "Worst samples, val",
                     "taken for", "data:image/png;base64,", "Configuration", "Environment", ">done<"):
            self.assertIn(text, page)
        self.assertGreater(page.count("<svg"), 5)
        self.assertNotRegex(page, r"(src|href)=\"(?!data:)")
        cells = [int(n) for n in re.findall(r"<td style=[^>]*>(\d+)</td>", page)]
        self.assertEqual(len(cells), 100)
        self.assertEqual(sum(cells), 1000)

    def test_report_of_a_run_that_failed(self):
        config = mlp_config(self.folder, model={"type": "MLP"}, total_epochs=None, total_iters=100,
                            hooks={"report": {"type": "ReportHook"}, "logger": {"type": "LoggerHook", "interval": 1},
                                   "bad": {"type": "FaultyHook", "rank": 0}})
        result = call(command(config, plugins=["mlp", "faults"]))
        self.assertEqual(result.status, 1, str(result))
        page = (self.run_folder().path / "report.html").read_text()
        self.assertIn("failed: ", page)
        self.assertIn("<svg", page)

    def test_report_of_a_run_that_was_stopped(self):
        config = mlp_config(self.folder, total_epochs=None, total_iters=1000000, workflow=[["train", 1]],
                            hooks={"report": {"type": "ReportHook"}, "logger": {"type": "LoggerHook", "interval": 5},
                                   "signal": {"type": "SignalHook", "signal": "INT", "at": 40}})
        self.assertEqual(call(command(config, plugins=["mlp", "faults"])).status, 130)
        page = (self.run_folder().path / "report.html").read_text()
        self.assertIn("stopped: stopped by SIGINT", page)
        self.assertIn("<svg", page)

    def test_csv(self):
        path = self.train(0.001, hooks={"csv": {"type": "CSVHook", "interval": 10}}, total_epochs=2)
        with open(path / "train.csv") as file:
            rows = list(csv.DictReader(file))
        logged = RunFolder(self.work).lines("train")
        self.assertEqual([int(float(r["step"])) for r in rows], [r["step"] for r in logged])
        for row, line in zip(rows, logged):
            self.assertAlmostEqual(float(row["loss"]), line["loss"], places=5)
        with open(path / "val.csv") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([float(row["top1"]) for row in rows],
                         [line["top1"] for line in RunFolder(self.work).lines("val")])

    def test_csv_of_a_run_that_goes_on(self):
        hooks = {"csv": {"type": "CSVHook", "interval": 7}}
        path = self.train(0.001, hooks=hooks)
        before = (path / "train.csv").read_text()
        (path / "train.csv").write_text(before + "9999,9,1,1,1,1,1\n12")  # lost, and cut off
        self.assertDone(call(command(self.config, ["resume_from=auto", "total_epochs=2"], plugins=["mlp"])))
        with open(path / "train.csv") as file:
            steps = [int(float(row["step"])) for row in csv.DictReader(file)]
        self.assertEqual(steps, sorted(set(steps)))
        self.assertEqual(steps[-1], 126)
        self.assertTrue((path / "train.csv").read_text().startswith(before))
