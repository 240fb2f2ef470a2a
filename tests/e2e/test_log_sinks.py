"""What writes a run's scalars (CSV, TensorBoard, metrics.jsonl, W&B, SwanLab): a run that was stopped
and goes on leaves what one that was not leaves; runs that share a log_dir keep apart; no two values of
a line have one name."""
import csv
import json
import os
import shutil

from harness import RunFolder, TestCase, call, command, mlp_config, mpirun
from run_readers import READERS


class AResumedRun(TestCase):
    def config(self, name, interval, accumulate, **sections):
        (self.folder / name).mkdir()
        sinks = {"logger": "LoggerHook", "csv": "CSVHook", "swanlab": "SwanLabHook"}
        hooks = {
            **{key: {"type": type_, "interval": interval} for key, type_ in sinks.items()},
            "tensorboard": {"type": "TensorboardHook", "interval": interval, "image_interval": 1, "max_images": 1},
            "wandb": {"type": "WandbHook", "interval": interval, "init_args": {"mode": "offline"}},
            "metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train", "val"]}},
            "checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": 24, "save_best": "top1"},
            "signal": {"type": "SignalHook"}}
        return mlp_config(self.folder / name, hooks=hooks, accumulative_counts=accumulate, total_epochs=3,
                          runtime={"threads": 1}, **sections)

    def run_to_the_end(self, config, stops=(), ranks=1):
        for overrides in stops:
            result = mpirun(ranks, command(config, ["resume_from=auto", *overrides], plugins=["mlp", "faults"]))
            self.assertNotEqual(result.status, 0, str(result))
        self.assertDone(mpirun(ranks, command(config, ["resume_from=auto"], plugins=["mlp", "faults"])))
        return RunFolder(config.parent / "work")

    def test_every_sink_has_what_it_has_without_the_stops(self):
        # An epoch has 63 iterations. Checkpoints lie in the middle of a point, at the end of an epoch before its
        # last point, before a validation, and behind one (the best).
        kill = lambda at, point="after_train_iter": [f"hooks.signal.at={at}", f"hooks.signal.point={point}",
                                                     "hooks.signal.signal=KILL"]
        stop = lambda at: [f"hooks.signal.at={at}"]
        for interval, accumulate, ranks in ((7, 2, 1), (1, 2, 1), (5, 4, 1), (7, 1, 2)):
            with self.subTest(interval=interval, accumulate=accumulate, ranks=ranks):
                name = f"{interval}-{accumulate}"
                straight = self.run_to_the_end(self.config(f"straight-{name}", interval, accumulate), ranks=ranks)
                stops = [stop(31), kill(53), stop(63), kill(2, "before_val_iter"), kill(80), stop(126), kill(150)]
                resumed = self.run_to_the_end(self.config(f"stopped-{name}", interval, accumulate), stops, ranks)
                folders = [p for p in (self.folder / f"stopped-{name}" / "work").iterdir()
                           if p.is_dir() and not p.is_symlink() and p.name != "tf_logs"]
                self.assertEqual(len(folders), 1, "it went on in its own folder")
                for sink, read in READERS.items():
                    expected = read(straight)
                    self.assertGreater(len(expected), 1 if sink != "csv" else 0)
                    self.assertEqual(read(resumed), expected, sink)


class SharedLogDir(TestCase):
    HOOKS = {"metrics": {"type": "MetricHook"}, "checkpoint": {"type": "CheckpointHook"}}

    def start(self, *overrides, work="work", status=0):
        self.logs = self.folder / "logs"
        hooks = {**self.HOOKS, "logger": {"type": "LoggerHook", "interval": 1, "log_dir": str(self.logs)},
                 "csv": {"type": "CSVHook", "interval": 1, "log_dir": str(self.logs)},
                 "tensorboard": {"type": "TensorboardHook", "log_dir": str(self.logs / "tb")}}
        config = mlp_config(self.folder, hooks=hooks)
        result = call(command(config, overrides, plugins=["mlp"], work_dir=self.folder / work))
        self.assertEqual(result.status, status, str(result))
        return result, (self.folder / work / "latest").resolve()

    def steps(self, path):
        with open(path) as file:
            return [int(float(row["step"])) for row in csv.DictReader(file)]

    def test_each_run_has_a_folder_and_the_links_are_the_newest_ones(self):
        _, first = self.start("total_epochs=2")
        kept = {name: (self.logs / first.name / name).read_bytes()
                for name in ("train.log", "metrics.jsonl", "train.csv", "val.csv")}
        result, second = self.start()
        self.assertNotIn("WARNING", result.err)
        for name, content in kept.items():
            self.assertEqual((self.logs / first.name / name).read_bytes(), content, name)
            self.assertEqual(os.readlink(self.logs / name), f"{second.name}/{name}")
        self.assertEqual(self.steps(self.logs / "train.csv"), list(range(1, 64)))
        self.assertEqual(self.steps(self.logs / "val.csv"), [63])
        lines = [json.loads(line) for line in (self.logs / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in lines if line["mode"] == "train"], list(range(1, 64)))
        self.assertEqual(sorted(p.name for p in (self.logs / "tb").iterdir()), [first.name, second.name])

    def test_a_run_that_goes_on_does_so_in_its_folder(self):
        _, first = self.start()
        _, second = self.start(work="other")
        _, again = self.start(f"resume_from={first}", "total_epochs=2")
        self.assertEqual(again, first)
        self.assertEqual(self.steps(self.logs / first.name / "train.csv"), list(range(1, 127)))
        self.assertEqual(self.steps(self.logs / first.name / "val.csv"), [63, 126])
        self.assertEqual((self.logs / "train.csv").resolve(), self.logs / first.name / "train.csv")
        if second.name != first.name:
            self.assertEqual(self.steps(self.logs / second.name / "train.csv"), list(range(1, 64)))

    def test_runs_of_one_second_keep_apart(self):
        # Another run's folder, of the name that this one would take.
        _, first = self.start()
        (self.logs / first.name / "run_dir").write_text("/another/work_dir/20260101_000000\n")
        _, again = self.start(f"resume_from={first}", "total_epochs=2")
        self.assertEqual(again, first)
        self.assertEqual(self.steps(self.logs / f"{first.name}_1" / "train.csv"), list(range(64, 127)))
        self.assertEqual(self.steps(self.logs / first.name / "train.csv"), list(range(1, 64)))

    def test_a_copied_run_that_goes_on_leaves_the_logs_of_the_original_alone(self):
        _, first = self.start("total_epochs=2")
        kept = {path: path.read_bytes() for path in (self.logs / first.name).iterdir() if path.is_file()}
        shutil.copytree(self.folder / "work", self.folder / "copy", symlinks=True)
        copy = self.folder / "copy" / first.name
        _, again = self.start(f"resume_from={copy / 'checkpoints' / 'epoch_1'}", "total_epochs=2", "hooks.logger.log_dir=null",
                              "hooks.csv.log_dir=null", work="copy")
        self.assertEqual(again, copy)
        for path, content in kept.items():
            self.assertEqual(path.read_bytes(), content, path)
        self.assertFalse((copy / "metrics.jsonl").is_symlink())
        lines = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in lines if line["mode"] == "train"], list(range(1, 127)))

    def test_what_trains_nothing_does_not_take_the_links(self):
        _, first = self.start()
        config = self.folder / "config.yaml"
        words = command(config, plugins=["mlp"], work_dir=self.folder / "work")
        result = call([words[0], "test", *words[1:], "latest"])
        self.assertEqual(result.status, 0, str(result))
        for name in ("train.log", "metrics.jsonl", "val.csv"):
            self.assertEqual(os.readlink(self.logs / name), f"{first.name}/{name}")

    def test_tools_find_the_logs_of_a_run(self):
        _, run = self.start()
        result = call([*command(self.folder, plugins=[])[:1], "runs", str(run)])
        self.assertIn("done", result.out, str(result))

    def test_what_is_no_link_stays_and_the_folder_is_named(self):
        self.start()
        (self.logs / "train.csv").unlink()
        (self.logs / "train.csv").write_text("mine\n")
        result, second = self.start()
        self.assertEqual((self.logs / "train.csv").read_text(), "mine\n")
        self.assertRegex(result.err, rf"WARNING - the log_dir {self.logs} gets no links to this run's logs "
                                     rf"\(train.csv: .*\); they are in {self.logs / second.name}")


class MetricNames(TestCase):
    def start(self, metrics, phases=("val",), **sections):
        accuracy = {"type": "Accuracy", "phases": list(phases)}
        config = mlp_config(self.folder, hooks={"logger": {"type": "LoggerHook"}, "csv": {"type": "CSVHook"},
                                                "metrics": {"type": "MetricHook", **{n: accuracy for n in metrics}}},
                            **sections)
        return call(command(config, plugins=["mlp"]))

    def test_a_name_that_a_line_has_is_refused(self):
        for phases in (["val"], ["train", "val"]):
            taken = ["step", "epoch", "iter", "mode", "time", "loss", "lr", "eta", "data_time", "memory", "read_time"]
            result = self.start(taken, phases)
            self.assertEqual(result.status, 2, str(result))
            for name in taken:
                self.assertRegex(result.err, rf'config.*metric {name} \(Accuracy\): every line of the log has a value '
                                             rf'"{name}" already; choose another name')
            self.assertFalse(list((self.folder / "work").glob("*/metrics.jsonl")), "before the run")

    def test_so_is_one_that_only_float16_training_has(self):
        result = self.start(["overflow", "grad_norm"], ["train", "val"])
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r'metric (overflow|grad_norm) \(Accuracy\).* already; choose another name')

    def test_names_that_only_resemble_one_are_taken(self):
        self.assertDone(self.start(["steps", "my_loss", "times", "top1"]))
        self.assertGreaterEqual(set(self.run_folder().lines("val")[0]), {"steps", "my_loss", "times", "top1"})

    def test_two_hooks_cannot_give_one_name(self):
        accuracy = {"type": "Accuracy"}
        config = mlp_config(self.folder, hooks={"logger": {"type": "LoggerHook"},
                                                "a": {"type": "MetricHook", "top1": accuracy},
                                                "b": {"type": "MetricHook", "top1": accuracy}})
        result = call(command(config, plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('metric top1 (Accuracy): the phase val has a result "top1" already', result.err)
