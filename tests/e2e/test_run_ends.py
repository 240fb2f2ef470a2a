"""A run says how it ended, with or without a logger; `runs` tells it, and the best of what the run follows."""
import json
import pathlib

from harness import AILAB, TestCase, call, command, mlp_config, mpirun

DATA = {"train": {"type": "FaultyDataset"}, "train_dataloader": {"global_batch_size": 8, "shuffle": False}}
FAULTY = {"data": DATA, "loss": {"type": "MSELoss"}, "workflow": [["train", 1]], "total_epochs": None,
          "total_iters": 300}
STOPPING = {"model": {"type": "MLP"}, "total_epochs": None, "total_iters": 300}


class RunEnds(TestCase):
    def listed(self, work):
        result = call([str(AILAB), "runs", str(work), "--json"])
        self.assertDone(result)
        runs = json.loads(result.out)
        return runs[-1]

    def run_it(self, name, ranks, overrides=(), hooks=None, **sections):
        folder = self.folder / name
        folder.mkdir()
        config = mlp_config(folder, hooks=hooks or {}, runtime={"threads": 1}, **sections)
        extra = ["--mca", "odls_base_sigkill_timeout", "3"]
        result = mpirun(ranks, command(config, overrides, plugins=["mlp", "faults"]), extra=extra, timeout=60) \
            if ranks > 1 else call(command(config, overrides, plugins=["mlp", "faults"]), timeout=60)
        return result, self.listed(folder / "work")

    def test_every_way_to_end_without_a_logger(self):
        signal = {"signal": {"type": "SignalHook"}}
        early = {"nan": {"type": "NanGuardHook"}, "early": {"type": "EarlyStopHook", "monitor": "loss", "patience": 1,
                                                            "min_delta": 1000.0}}
        rows = (
            ("done", 1, r"done", dict(total_epochs=1)),
            ("done", 2, r"done", dict(total_epochs=1)),
            ("early", 1, r"stopped: .*loss.*", dict(total_epochs=9, hooks=early)),
            ("signal", 1, r"stopped: stopped by SIGTERM.*resume_from=.*",
             dict(**STOPPING, hooks=signal, overrides=["hooks.signal.signal=TERM", "hooks.signal.at=33"])),
            ("signal", 2, r"stopped: stopped by SIGINT.*",
             dict(**STOPPING, hooks=signal, overrides=["hooks.signal.signal=INT", "hooks.signal.at=33"])),
            ("again", 1, r"stopped: SIGINT again: ended at once",
             dict(**STOPPING, hooks=signal, overrides=["hooks.signal.signal=INT", "hooks.signal.at=33",
                                                       "hooks.signal.again_after=0.4"])),
            ("throw", 1, r"failed: .*model \"FaultyModel\": the model has had enough.*",
             dict(**FAULTY, model={"type": "FaultyModel", "how": "throw", "rank": 0})),
            ("throw", 2, r"failed: \[rank 1, .*the model has had enough.*",
             dict(**FAULTY, model={"type": "FaultyModel", "how": "throw", "rank": 1})),
            ("kill", 2, r"failed: \[rank 1, .*ended without a word.*",
             dict(**FAULTY, model={"type": "FaultyModel", "how": "kill", "rank": 1})),
            # Nobody is left who could say it.
            ("kill", 1, r"broken off", dict(**FAULTY, model={"type": "FaultyModel", "how": "kill", "rank": 0})),
        )
        for name, ranks, state, sections in rows:
            with self.subTest(name=name, ranks=ranks):
                result, run = self.run_it(f"{name}{ranks}", ranks, **sections)
                self.assertRegex(run["state"], rf"^{state}$", str(result))

    def test_with_a_logger_it_is_the_same(self):
        logger = {"logger": {"type": "LoggerHook"}}
        for ranks, state in ((1, r"failed: .*the model has had enough"), (2, r"failed: \[rank 1, .*had enough")):
            with self.subTest(ranks=ranks):
                _, run = self.run_it(f"logged{ranks}", ranks, hooks=logger, **FAULTY,
                                     model={"type": "FaultyModel", "how": "throw", "rank": ranks - 1})
                self.assertRegex(run["state"], state)

    def test_a_run_that_goes_on_takes_its_end_back(self):
        hooks = {"signal": {"type": "SignalHook"}}
        words = ["hooks.signal.signal=TERM", "hooks.signal.at=33"]
        self.run_it("resumed", 1, words, hooks=hooks, **STOPPING)
        config = self.folder / "resumed" / "config.yaml"
        killed = ["resume_from=auto", "hooks.signal.signal=KILL", "hooks.signal.at=50"]
        call(command(config, killed, plugins=["mlp", "faults"]))
        self.assertEqual(self.listed(self.folder / "resumed" / "work")["state"], "broken off")
        self.assertDone(call(command(config, ["resume_from=auto"], plugins=["mlp", "faults"])))
        self.assertEqual(self.listed(self.folder / "resumed" / "work")["state"], "done")

    def test_a_long_message_leaves_the_table_readable(self):
        self.run_it("long", 1, **FAULTY, model={"type": "FaultyModel", "how": "throw", "rank": 0})
        path, = (p for p in (self.folder / "long" / "work").iterdir() if (p / "end.json").exists() and not p.is_symlink())
        message = "failed: " + "a number of words in ünïcode; " * 30
        (path / "end.json").write_text(json.dumps({"exit": message}), encoding="utf-8")
        self.assertEqual(self.listed(path)["state"], message)
        table = call([str(AILAB), "runs", str(path)])
        self.assertDone(table)
        self.assertLess(max(map(len, table.out.splitlines())), 160)
        self.assertIn("failed: a number of words", table.out)
        self.assertIn(" …", table.out)

    def test_a_workflow_without_training_says_so(self):
        _, run = self.run_it("val", 1, workflow=[["val", 1]], hooks={"logger": {"type": "LoggerHook"}})
        text = (pathlib.Path(run["run"]) / "train.log").read_text()
        self.assertEqual(text.count("nothing is trained"), 1, text)

    def test_the_best_is_of_what_the_run_follows(self):
        metrics = {"type": "MetricHook", "a": {"type": "Accuracy"}, "b": {"type": "F1Score"},
                   "c": {"type": "Accuracy", "topk": 3}}
        rows = (({}, "a", 3.0),
                ({"checkpoint": {"type": "CheckpointHook", "save_best": "b"}}, "b", 3.0),
                ({"checkpoint": {"type": "CheckpointHook", "save_best": "b", "rule": "less"}}, "b", 1.0),
                ({"early": {"type": "EarlyStopHook", "monitor": "loss", "patience": 9}}, "loss", 1.0),
                ({"early": {"type": "EarlyStopHook", "monitor": "c", "patience": 9},
                  "checkpoint": {"type": "CheckpointHook", "save_best": "b"}}, "b", 3.0),
                ({"early": {"type": "EarlyStopHook", "monitor": "c", "patience": 9, "enable": False}}, "a", 3.0))
        _, run = self.run_it("best", 1, hooks={"metrics": metrics, "logger": {"type": "LoggerHook"}}, total_epochs=1)
        path = pathlib.Path(run["run"])
        written = [line for line in map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
                   if line["mode"] == "train"]
        for epoch, value in enumerate((3.0, 1.0, 2.0), 1):
            written.append({"mode": "val", "epoch": epoch, "iter": 1, "step": epoch, "loss": value, "a": value,
                            "b": value, "c": value})
        (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
        config = json.loads((self.folder / "best" / "config.yaml").read_text())
        for hooks, name, value in rows:
            with self.subTest(hooks=hooks):
                (path / "config.yaml").write_text(json.dumps({**config, "hooks": {**config["hooks"], **hooks}}))
                best = self.listed(path)["best"]
                self.assertEqual((best["metric"], best["value"]), (name, value))
