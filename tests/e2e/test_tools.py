"""Tools over runs and checkpoints, and the hooks that write for people: report, csv."""
import csv
import json
import pathlib
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
        # Numbers are numbers, and what is missing is null.
        for run, epochs, lr in zip(listed, (1, 2), (0.001, 0.01)):
            self.assertEqual((run["epoch"], run["problem"]), (epochs, None))
            self.assertIsInstance(run["epoch"], int)
            self.assertIsInstance(run["seconds"], float)
            best = run["best"]
            self.assertEqual((best["mode"], best["metric"]), ("val", "top1"))
            self.assertIsInstance(best["value"], float)
            self.assertIn(best["epoch"], range(1, epochs + 1))
            self.assertEqual(run["configuration"]["optimizer.lr"], lr)
            self.assertEqual(run["configuration"]["total_epochs"], epochs)

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
                value, epoch = re.fullmatch(r"(\S+) \(epoch (\d+)\)", best).groups()
                self.assertEqual(listed["best"],
                                 {"mode": "val", "metric": name, "value": float(value), "epoch": int(epoch)})
                self.tool("compare", path, path, "-o", f"{name}_{kind}.html")
                self.assertIn(f"val {name} {best}", (self.folder / f"{name}_{kind}.html").read_text())

    def test_a_run_that_was_broken_off_is_called_so(self):
        path = self.train(0.001)
        log = path / "metrics.jsonl"
        log.write_text("".join(line for line in log.read_text().splitlines(True) if '"summary"' not in line) + '{"mo')
        (path / "end.json").unlink()
        self.assertIn("broken off", self.tool("runs", self.work))

    def test_a_damaged_run_hides_no_other(self):
        runs = [self.train(0.001) for _ in range(3)]
        (runs[0] / "config.yaml").write_text("model: {type: [\n")
        (runs[1] / "environment.json").write_text('{"ailab": "1')
        (runs[1] / "metrics.jsonl").write_text("")
        listed = json.loads(self.tool("runs", self.work, "--json"))
        self.assertEqual([run["run"] for run in listed], [str(run) for run in runs])
        self.assertRegex(listed[0]["problem"], r"config\.yaml:\d+:\d+: this is no valid YAML")
        self.assertEqual((listed[0]["state"], listed[0]["epoch"]), ("done", 1))
        self.assertEqual([listed[1][key] for key in ("epoch", "best", "problem")], [None, None, None])
        self.assertEqual((listed[2]["state"], listed[2]["epoch"], listed[2]["problem"]), ("done", 1, None))
        table = self.tool("runs", self.work).splitlines()
        self.assertEqual(len(table), 4)
        self.assertIn("this is no valid YAML", table[1])
        (runs[0] / "config.yaml").write_bytes(b"\xff\xfe\0")
        self.assertIn("UTF-8", json.loads(self.tool("runs", self.work, "--json"))[0]["problem"])

    def test_inspect(self):
        path = self.train(0.001) / "checkpoints" / "epoch_1"
        text = self.tool("inspect", path)
        for part in ("valid: yes", "model: MLP", "epoch: 1", "step: 63", "ranks: 1", "model.safetensors: 0."):
            self.assertIn(part, text)
        self.assertRegex(text, r"weights: \d+ tensors, \d+ numbers")
        told = json.loads(self.tool("inspect", path, "--json"))[0]
        self.assertTrue(any(tensor["shape"][0] == 10 and len(tensor["shape"]) == 2 for tensor in told["tensors"]), told)
        self.assertEqual([told[name] for name in ("epoch", "step", "ranks", "model.safetensors")],
                         [1, 63, 1, (path / "model.safetensors").stat().st_size])
        data = bytearray((path / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (path / "model.safetensors").write_bytes(data)
        damaged = call([str(AILAB), "inspect", str(path)])
        self.assertEqual(damaged.status, 1, str(damaged))
        self.assertRegex(damaged.out, "valid: no: .*model.safetensors")

    def test_inspect_goes_on_behind_what_is_damaged(self):
        folder = self.train(0.001, total_epochs=2) / "checkpoints"
        (folder / "epoch_1" / "model.safetensors").write_bytes(b"{}")
        (self.folder / "text.pth").write_text("no weights")
        words = [str(AILAB), "inspect", str(folder / "epoch_1"), str(self.folder / "none"),
                 str(self.folder / "text.pth"), str(folder / "epoch_2")]
        result = call(words)
        self.assertEqual(result.status, 1, str(result))
        for part in ("  weights: ", "  valid: no: ", "none does not exist", "text.pth", "  valid: yes"):
            self.assertIn(part, result.out)
        listed = json.loads(call([*words, "--json"]).out)
        self.assertEqual([pathlib.Path(one["given"]).name for one in listed], ["epoch_1", "none", "text.pth", "epoch_2"])
        self.assertEqual(["error" in one for one in listed], [False, True, True, False])
        self.assertTrue(listed[3]["valid"].startswith("yes"))

    def test_inspect_and_average_know_latest_and_best(self):
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "save_best": "top1"}}
        self.train(0.001, total_epochs=2, hooks=hooks)
        for words in (("inspect", "--work-dir", self.work, "latest", "best"),
                      ("inspect", self.work / "latest", self.work / "best")):
            with self.subTest(words):
                text = self.tool(*words)
                self.assertEqual(text.count("valid: yes"), 2)
                self.assertEqual(text.count("epoch: 2\n") + text.count("epoch: 1\n"), 2)
                self.assertRegex(text, r"path: \S*/checkpoints/best_\S+\n")
        self.assertIn("the mean of 2 checkpoints", self.tool("average", "latest", "best", "--work-dir", self.work,
                                                             "-o", "both.safetensors"))
        result = call([str(AILAB), "inspect", "best", "--work-dir", str(self.folder / "other")])
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("there is no checkpoint in ", result.out)

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
