"""What a run leaves in its folder, and that the saved configuration gives the same run."""
import json
import os
import pathlib
import shutil

from harness import TestCase, RunFolder, call, command, mlp_config, mpirun

HOOKS = {
    "metrics": {"type": "MetricHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
    "logger": {"type": "LoggerHook", "interval": 20},
    "lr_scheduler": {"type": "LrSchedulerHook", "scheduler": {"type": "StepLR", "step_size": 1, "gamma": 0.1}},
}


class RunFolderTest(TestCase):
    def test_files_and_lines(self):
        config = mlp_config(self.folder, total_epochs=2, hooks=HOOKS)
        self.assertDone(mpirun(2, command(config, plugins=["mlp"])))
        run = self.run_folder()
        self.assertRegex(run.path.name, r"^\d{8}_\d{6}(_\d+)?$")
        self.assertTrue(os.path.islink(self.work / "latest"))
        for name in ("train.log", "metrics.jsonl", "config.yaml", "environment.json"):
            self.assertTrue((run.path / name).is_file(), name)
        train, val = run.lines("train"), run.lines("val")
        self.assertEqual([r["iter"] for r in train], [20, 40, 60, 63] * 2)
        self.assertEqual([r["step"] for r in train], [20, 40, 60, 63, 83, 103, 123, 126])
        self.assertEqual([r["epoch"] for r in train], [1] * 4 + [2] * 4)
        for record in train:
            for key in ("mode", "epoch", "iter", "step", "lr", "time", "data_time", "memory", "loss"):
                self.assertIn(key, record)
            self.assertGreaterEqual(record["time"], record["data_time"])
        self.assertEqual([r["lr"] for r in train][::4], [0.001, 0.0001])
        self.assertEqual(len(val), 2)
        for record in val:
            for key in ("loss", "top1", "top5"):
                self.assertIn(key, record)
            self.assertGreaterEqual(record["top5"], record["top1"])
        summary = run.lines()[-1]
        self.assertEqual(summary["mode"], "summary")
        self.assertEqual(summary["exit"], "done")
        self.assertGreater(summary["samples_per_second"], 0)
        self.assertGreater(summary["time_to_first_step"], 0)
        self.assertGreater(summary["peak_memory"], 0)
        environment = json.loads((run.path / "environment.json").read_text())
        self.assertEqual(environment["world_size"], 2)
        self.assertIn("test_mlp", [p["name"] for p in environment["plugins"]])
        newest = (self.work / "last_checkpoint").read_text().strip()
        self.assertTrue(newest.endswith("checkpoints/epoch_2"), newest)
        for name in ("model.safetensors", "state.safetensors", "state.json", "manifest.json"):
            self.assertTrue(os.path.isfile(os.path.join(newest, name)), name)
        log = (run.path / "train.log").read_text()
        self.assertRegex(log, r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - ailab - INFO - Epoch\(train\) "
                              r" ?\[1\]\[ ?20/63\]  lr: 1\.0000e-03  eta: \d:\d\d:\d\d  time: \d+\.\d+  "
                              r"data_time: \d+\.\d+  memory: \d+  loss: \d\.\d+")
        self.assertRegex(log, r"Epoch\(val\) +\[2\].* top1: \d+\.\d+")

    def test_the_saved_configuration_gives_the_same_run(self):
        config = mlp_config(self.folder, hooks={"logger": {"type": "LoggerHook", "interval": 1}},
                            model={"type": "MLP", "hidden": 16, "dropout": 0.2})
        self.assertDone(call(command(config, ["optimizer.lr=0.01"], plugins=["mlp"])))
        first = self.run_folder()
        again = self.folder / "again"
        self.assertDone(call(command(first.path / "config.yaml", plugins=["mlp"], work_dir=again)))
        self.assertEqual(RunFolder(again).losses(), first.losses())
        text = (first.path / "config.yaml").read_text()
        self.assertIn("dropout: 0.2", text)
        self.assertIn("lr: 0.01", text)
        second = (RunFolder(again).path / "config.yaml").read_text()
        strip = lambda t: [l for l in t.splitlines() if "work_dir" not in l]
        self.assertEqual(strip(second), strip(text))

    def test_two_runs_of_one_second_get_folders_of_their_own(self):
        config = mlp_config(self.folder, workflow=[["train", 1]], total_epochs=None, total_iters=2)
        for _ in range(3):
            self.assertDone(call(command(config, plugins=["mlp"])))
        folders = [p for p in self.work.iterdir() if p.is_dir() and not p.is_symlink()]
        self.assertEqual(len(folders), 3)

    def test_what_no_run_made_stays(self):
        hooks = {"logger": {"type": "LoggerHook"}, "checkpoint": {"type": "CheckpointHook"}}
        for name, is_folder, complaint in [("latest", False, "is no link that a run made"),
                                           ("latest", True, "is no link that a run made"),
                                           ("last_checkpoint", True, "is a folder, where runs keep a file")]:
            for overrides in ([], ["resume_from=auto", "total_epochs=2"]):
                with self.subTest(name=name, is_folder=is_folder, overrides=overrides):
                    shutil.rmtree(self.work, ignore_errors=True)
                    config = mlp_config(self.folder, hooks=hooks)
                    if overrides:
                        self.assertDone(call(command(config, plugins=["mlp"])))
                    self.work.mkdir(exist_ok=True)
                    path = self.work / name
                    path.unlink(missing_ok=True)
                    path.mkdir() if is_folder else path.write_text("mine")
                    result = call(command(config, overrides, plugins=["mlp"]))
                    self.assertIn(f"{path} {complaint}", result.err)
                    self.assertIn("move it away, or choose another work_dir", result.err)
                    self.assertEqual(result.status, 1, str(result))
                    self.assertEqual(path.is_dir(), is_folder)
                    if not is_folder:
                        self.assertEqual(path.read_text(), "mine")

    def test_workers_that_nobody_needs_are_told_of(self):
        said = "data.train: IDX makes whole batches, which one thread does: num_workers 4 is not needed"
        for workers, times in ((4, 1), (1, 0), (-1, 0)):
            with self.subTest(workers=workers):
                config = mlp_config(self.folder, hooks={"logger": {"type": "LoggerHook"}})
                self.assertDone(call(command(config, [f"data.train_dataloader.num_workers={workers}"],
                                             plugins=["mlp"])))
                log = (self.run_folder().path / "train.log").read_text()
                self.assertEqual(log.count(said), times, log)
                self.assertEqual(log.count("num_workers"), times, log)

    def test_log_dir_and_save_dir_move_files(self):
        config = mlp_config(self.folder, hooks={
            "logger": {"type": "LoggerHook", "interval": 10, "log_dir": "${work_dir}/logs"},
            "checkpoint": {"type": "CheckpointHook", "save_dir": "${work_dir}/kept"}})
        self.assertDone(call(command(config, plugins=["mlp"])))
        self.assertTrue((self.work / "logs" / "train.log").is_file())
        self.assertTrue((self.work / "logs" / "metrics.jsonl").is_file())
        self.assertTrue((self.work / "kept" / "epoch_1" / "model.safetensors").is_file())

    def test_workflow_by_iterations_goes_on_where_the_data_stands(self):
        config = mlp_config(self.folder, total_epochs=3,
                            workflow=[{"phase": "train", "iters": 40}, {"phase": "val"}],
                            hooks={"logger": {"type": "LoggerHook", "interval": 40},
                                   "trace": {"type": "SampleTraceHook"}, "metrics": {"type": "MetricHook"}})
        self.assertDone(call(command(config, plugins=["mlp"])))
        run = self.run_folder()
        self.assertEqual([r["step"] for r in run.lines("train")], [40, 80, 120])
        self.assertEqual(len(run.lines("val")), 3)
        seen = [i for ids in run.samples(1) for i in ids]
        self.assertEqual(sorted(seen[:2000]), list(range(2000)))  # an epoch is 62.5 batches of 32

    def test_enable_false_leaves_a_hook_out(self):
        config = mlp_config(self.folder, hooks={"logger": {"type": "LoggerHook", "enable": False},
                                                "trace": {"type": "SampleTraceHook", "enabled": False}})
        self.assertDone(call(command(config, plugins=["mlp"])))
        self.assertFalse((self.run_folder().path / "metrics.jsonl").exists())
        self.assertFalse((self.run_folder().path / "samples.rank0.jsonl").exists())

    def test_load_from_takes_a_checkpoint_by_each_of_its_names(self):
        hooks = {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook"},
                 "checkpoint": {"type": "CheckpointHook"}}
        self.assertDone(call(command(mlp_config(self.folder, hooks=hooks), plugins=["mlp"])))
        trained = self.run_folder().lines("val")[-1]["loss"]
        pointer = self.work / "last_checkpoint"
        checkpoint = pointer.read_text().strip()
        for name in (checkpoint, pointer, f"{checkpoint}/model.safetensors"):
            with self.subTest(name=str(name)):
                config = mlp_config(self.folder, load_from=str(name), workflow=[["val", 1]])
                self.assertDone(call(command(config, plugins=["mlp"])))
                self.assertEqual(self.run_folder().lines("val")[-1]["loss"], trained)
        pointer.write_text("gone/epoch_1\n")
        result = call(command(mlp_config(self.folder, load_from=str(pointer)), plugins=["mlp"]))
        self.assertNotEqual(result.status, 0)
        self.assertIn('names the checkpoint "gone/epoch_1", which is not there', result.err)
        result = call(command(mlp_config(self.folder, load_from=str(self.work / "latest")),
                              plugins=["mlp"]))
        self.assertNotEqual(result.status, 0)
        self.assertIn("is a folder without model.safetensors; name ", result.err)

    def test_load_from_says_what_did_not_match(self):
        hooks = {"logger": {"type": "LoggerHook"}, "checkpoint": {"type": "CheckpointHook"}}
        self.assertDone(call(command(mlp_config(self.folder, hooks=hooks), plugins=["mlp"])))
        saved = pathlib.Path((self.work / "last_checkpoint").read_text().strip())
        bytes_ = (saved / "model.safetensors").read_bytes()
        length = int.from_bytes(bytes_[:8], "little")
        header = json.loads(bytes_[8:8 + length])
        names = sorted(name for name in header if name != "__metadata__")
        header["renamed"] = header.pop(names[0])
        text = json.dumps(header).encode()
        partial = self.folder / "partial.safetensors"
        partial.write_bytes(len(text).to_bytes(8, "little") + text + bytes_[8 + length:])
        config = mlp_config(self.folder, load_from=str(partial), hooks=hooks)
        self.assertDone(call(command(config, plugins=["mlp"])))
        log = (self.run_folder().path / "train.log").read_text()
        self.assertIn(f"weights loaded from {partial}: {len(names) - 1} of the model's {len(names)} "
                      "tensors", log)
        self.assertIn(f'load_from: 2 tensor(s) did not match: "{names[0]}" is not in the file; the '
                      'model has no "renamed"', log)
