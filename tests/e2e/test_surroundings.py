"""What a run makes of the machine, the user and the process around it: locale, umask, time zone, cores,
file systems without links."""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys

from harness import AILAB, PLUGINS, TestCase, call, command, environment, mlp_config

HOOKS = {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook", "interval": 10},
         "checkpoint": {"type": "CheckpointHook"}}


class Locale(TestCase):
    """A plugin sets a locale that has decimal commas and points between thousands."""

    def setUp(self):
        super().setUp()
        locales = self.folder / "locales"
        locales.mkdir()
        made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(locales / "de_DE.UTF-8")],
                              capture_output=True, text=True)
        self.assertTrue((locales / "de_DE.UTF-8").is_dir(), made.stderr)
        self.german = {"LOCPATH": locales, "LC_ALL": "de_DE.UTF-8"}

    def train(self, name, *overrides, german):
        (self.folder / name).mkdir(exist_ok=True)
        hooks = {**HOOKS, "csv": {"type": "CSVHook", "interval": 10}, "report": {"type": "ReportHook"},
                 "progress": {"type": "ProgressHook", "mode": "plain"},
                 "predictions": {"type": "PredictionsHook", "scores": True}}
        if german:
            hooks["locale"] = {"type": "LocaleHook"}
        config = mlp_config(self.folder / name, hooks=hooks, model={"type": "mlp", "in_features": 784, "hidden": [64],
                                                                    "num_classes": 10})
        result = call(command(config, overrides, plugins=["locale"]), **(self.german if german else {}))
        self.assertDone(result)
        return (self.folder / name / "work/latest").resolve(), result.err

    def table(self, path):
        with open(path) as file:
            return [{k: float(v) for k, v in row.items() if k not in ("time", "data_time", "memory")}
                    for row in csv.DictReader(file)]

    def test_numbers_are_those_of_a_run_without_it(self):
        # Once more behind a checkpoint: what was written is read again.
        plain, _ = self.train("plain", german=False)
        self.train("plain", "resume_from=auto", "total_epochs=2", german=False)
        german, _ = self.train("german", german=True)
        _, log = self.train("german", "resume_from=auto", "total_epochs=2", german=True)
        for name in ("train.csv", "val.csv"):
            self.assertEqual(self.table(german / name), self.table(plain / name), name)
        self.assertEqual((german / "predictions_val.jsonl").read_text(), (plain / "predictions_val.jsonl").read_text())
        lines = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
                 for run in (german, plain)]
        for ours, theirs in zip(*lines):
            self.assertEqual(ours.get("loss"), theirs.get("loss"))
        self.assertEqual(len(lines[0]), len(lines[1]))
        losses = lambda run: re.findall(r"(?:lr|loss|top1): [\d.,e+-]+", (run / "train.log").read_text())
        self.assertEqual(losses(german), losses(plain))
        page = (german / "report.html").read_text()
        self.assertIn('d="M58.0 ', page)
        self.assertNotRegex(page, r'(?:d|x|y)="[^"]*\d,\d')
        self.assertNotRegex(log, r"\d,\d+ s\b")
        german_checkpoint, plain_checkpoint = (run / "checkpoints/epoch_2/model.safetensors" for run in (german, plain))
        self.assertEqual(german_checkpoint.read_bytes(), plain_checkpoint.read_bytes())


class Names(TestCase):
    def test_the_report_is_utf8_whatever_a_file_is_called(self):
        data = self.folder / "images"
        png = subprocess.run([sys.executable, "-c", PNG], capture_output=True, check=True).stdout
        for label in (b"a", b"b"):
            folder = os.fsencode(data) + b"/" + label
            os.makedirs(folder)
            for i in range(4):
                with open(folder + b"/caf\xe9 <%d>.png" % i, "wb") as file:  # Latin-1
                    file.write(png)
        images = {"type": "ImageFolder", "root": str(data), "transforms": [{"type": "ToTensor"}]}
        config = mlp_config(self.folder, data={"train": images, "val": images, "train_dataloader": {"batch_size": 4}},
                            model={"type": "mlp", "in_features": 192, "hidden": [4], "num_classes": 2},
                            hooks={**HOOKS, "report": {"type": "ReportHook"},
                                   "predictions": {"type": "PredictionsHook"}})
        self.assertDone(call(command(config)))
        run = self.run_folder().path
        self.assertIn("caf\ufffd &lt;", (run / "report.html").read_bytes().decode("utf-8"))
        for line in (run / "predictions_val.jsonl").read_bytes().decode("utf-8").splitlines():
            self.assertIn("caf\ufffd <", json.loads(line)["name"])

    def test_a_failure_that_names_such_a_file_is_in_the_summary(self):
        data = {"type": "ClassificationImageDataset", "annotation_file": str(self.folder / "a.txt")}
        config = mlp_config(self.folder, model={"type": "mlp", "in_features": 192, "hidden": [4], "num_classes": 2},
                            data={"train": data, "train_dataloader": {"batch_size": 2, "on_error": "fail"}},
                            workflow=[["train", 1]], hooks=HOOKS)
        (self.folder / "a.txt").write_bytes(b"caf\xe9.png 0\ncaf\xe8.png 1\n")
        # What is said on the console has the name's own bytes.
        result = subprocess.run(command(config), cwd=self.folder, capture_output=True, env=environment())
        self.assertEqual(result.returncode, 1, result.stderr)
        summary = json.loads((self.run_folder().path / "metrics.jsonl").read_bytes().decode("utf-8").splitlines()[-1])
        self.assertIn("caf\ufffd.png", summary["exit"])


# An 8x8 image in three colours.
PNG = r"""
import struct, sys, zlib
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\0" + bytes(range(24)) for _ in range(8))
sys.stdout.buffer.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
                        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
"""


class Files(TestCase):
    def test_all_are_created_by_the_users_umask(self):
        logs = self.folder / "logs"
        hooks = {**HOOKS, "csv": {"type": "CSVHook"}, "report": {"type": "ReportHook"},
                 "tensorboard": {"type": "TensorboardHook"}, "swanlab": {"type": "SwanLabHook"},
                 "wandb": {"type": "WandbHook", "init_args": {"mode": "offline"}},
                 "predictions": {"type": "PredictionsHook"}, "trace": {"type": "SampleTraceHook"},
                 "logger": {"type": "LoggerHook", "log_dir": str(logs)},
                 "checkpoint": {"type": "CheckpointHook", "save_weights": True}}
        for umask, file_mode, folder_mode in (("002", 0o664, 0o775), ("027", 0o640, 0o750), ("077", 0o600, 0o700)):
            with self.subTest(umask=umask):
                work = self.folder / f"work{umask}"
                words = command(mlp_config(self.folder, hooks=hooks), [f"hooks.logger.log_dir={logs}{umask}"],
                                plugins=["mlp"], work_dir=work)
                self.assertDone(call(["sh", "-c", f'umask {umask}; exec "$@"', "sh", *words]))
                found = [path for top in (work, pathlib.Path(f"{logs}{umask}")) for path in top.rglob("*")
                         if not path.is_symlink()]
                self.assertGreater(len(found), 25)
                for path in found:
                    mode = path.stat().st_mode & 0o7777
                    self.assertEqual(oct(mode), oct(folder_mode if path.is_dir() else file_mode), str(path))

    def test_without_links_a_run_starts_with_a_warning(self):
        hooks = {**HOOKS, "logger": {"type": "LoggerHook", "log_dir": str(self.folder / "logs")}}
        config = mlp_config(self.folder, hooks=hooks)
        result = call(command(config, plugins=["mlp"]), LD_PRELOAD=PLUGINS / "libno_links.so")
        self.assertDone(result)
        (run,) = [path for path in self.work.iterdir() if path.is_dir()]
        self.assertFalse(os.path.lexists(self.work / "latest"))
        self.assertRegex(result.err, rf"WARNING - cannot make the link {self.work}/latest \(Operation not permitted\); "
                                     rf"this run's folder is {run}")
        self.assertRegex(result.err, rf"WARNING - the log_dir {self.folder}/logs gets no links to this run's logs "
                                     rf"\(.*: Operation not permitted\); they are in {self.folder}/logs/{run.name}")
        self.assertTrue((self.folder / "logs" / run.name / "metrics.jsonl").is_file())
        again = call(command(config, ["resume_from=auto", "total_epochs=2"], plugins=["mlp"]),
                     LD_PRELOAD=PLUGINS / "libno_links.so")
        self.assertDone(again)
        self.assertTrue((run / "checkpoints" / "epoch_2").is_dir())

    def test_durations_do_not_depend_on_the_time_zone(self):
        self.assertDone(call(command(mlp_config(self.folder, hooks=HOOKS), plugins=["mlp"]), TZ="Asia/Tokyo"))
        for zone in ("Asia/Tokyo", "UTC", "America/New_York"):
            listed = call([str(AILAB), "runs", str(self.work)], TZ=zone)
            self.assertRegex(listed.out, r" 0:00:\d\d ", zone)


class Cores(TestCase):
    """`threads a rank: 2 compute (chosen), …; 2 cores, …, 1 rank on this host`"""

    def threads(self, *before, mpirun=()):
        words = command(mlp_config(self.folder, hooks=HOOKS), plugins=["mlp"])
        result = call([*before, *mpirun, *words])
        self.assertDone(result)
        (line,) = re.findall(r"threads a rank: .*", result.err)
        compute, cores = re.match(r"threads a rank: (\d+) compute.*?; (\d+) core", line).groups()
        return int(compute), int(cores), line

    def setUp(self):
        super().setUp()
        self.cores = sorted(os.sched_getaffinity(0))
        if len(self.cores) < 2:
            self.skipTest("needs two cores")

    def test_taskset_holds_also_where_mpirun_stands_between(self):
        start = ["mpirun", "--oversubscribe", "-np"]
        shell = ["sh", "-c", '"$@"; exit $?', "sh"]  # a script between mpirun and the rank
        for core in self.cores[:2]:
            bound = ["taskset", "-c", str(core)]
            for ranks in ("1", "2"):
                with self.subTest(core=core, ranks=ranks):
                    compute, cores, line = self.threads(*bound, mpirun=[*start, ranks])
                    self.assertEqual((compute, cores), (1, 1), line)
            compute, cores, line = self.threads(*bound, mpirun=[*start, "1", *shell])
            self.assertEqual((compute, cores), (1, 1), line)
            self.assertEqual(self.threads(*bound)[:2], (1, 1))

    def test_mpiruns_default_binding_is_still_widened(self):
        compute, cores, line = self.threads(mpirun=["mpirun", "-np", "1"])
        self.assertEqual((compute, cores), (len(self.cores), len(self.cores)), line)
        self.assertIn("widened", line)

    def control_group(self):
        """One that may use one and a half cores, of version 1 or 2."""
        complaints = []
        for folder, file, limit in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "150000"),
                                    ("/sys/fs/cgroup", "cpu.max", "150000 100000")):
            group = pathlib.Path(folder) / f"ailab-test-{os.getpid()}"
            try:
                group.mkdir()
                self.addCleanup(group.rmdir)
                with open(group / file, "r+") as limited:  # the kernel makes it, if the folder is a group
                    limited.write(limit)
                return group
            except OSError as error:
                complaints.append(str(error))
        self.skipTest(f"no control group can be made here: {'; '.join(complaints)}")

    def test_a_quota_of_the_control_group_is_kept(self):
        group = self.control_group()
        enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        compute, cores, line = self.threads(*enter)
        self.assertEqual(compute, 1, line)
        self.assertIn("a CPU quota of 1.5", line)
