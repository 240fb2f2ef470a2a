"""What a container, a daemon or a cluster may lack: standard streams, threads, /proc, room in /dev/shm, system
calls. A run does without, or says what is missing; it neither hangs nor writes where it should not."""
import json
import os
import shutil
import unittest

from harness import AILAB, PLUGINS, TestCase, call, command, mlp_config, mpirun

SHORT = dict(workflow=[["train", 1]], total_epochs=None, total_iters=8)
HOOKS = {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook", "interval": 10},
         "csv": {"type": "CSVHook", "interval": 10}, "tensorboard": {"type": "TensorboardHook", "interval": 10},
         "checkpoint": {"type": "CheckpointHook"}}
NAMESPACES = unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "mounting needs root")


def inside(script, words):
    """The words as a command in a mount namespace of its own, after the script."""
    return ["unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh", *words]


class StandardStreams(TestCase):
    def test_files_are_the_same_where_they_are_closed(self):
        """Otherwise the first files that are opened get their numbers, and the log is written into them."""
        for closed in ("2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                shutil.rmtree(self.work, ignore_errors=True)
                words = command(mlp_config(self.folder, hooks=HOOKS), plugins=["mlp"])
                self.assertDone(call(["sh", "-c", f'exec "$@" {closed}', "sh", *words]))
                run = self.run_folder().path
                for line in (run / "metrics.jsonl").read_text().splitlines():
                    json.loads(line)
                self.assertIn("started_at", json.loads((run / "environment.json").read_text()))
                lines = (run / "train.log").read_text().splitlines()
                self.assertEqual(len(lines), len(set(lines)), "lines that were written twice")
                self.assertTrue(lines[0].endswith(f"run folder: {run}"), lines[0])
                self.assertFalse((run / "train.csv").read_bytes().count(b"ailab"))
                self.assertDone(call([str(AILAB), "inspect", str(run / "checkpoints" / "epoch_1")]))

    def test_so_they_are_where_a_plugin_closes_them(self):
        hooks = {**HOOKS, "closes": {"type": "ClosesStreams"}}
        config = mlp_config(self.folder, hooks=hooks, total_epochs=5)
        self.assertDone(call(command(config, plugins=["takes", "mlp"])))
        run = self.run_folder().path
        for epoch in range(1, 6):
            result = call([str(AILAB), "inspect", str(run / "checkpoints" / f"epoch_{epoch}")])
            self.assertDone(result)
            self.assertIn("valid: yes", result.out)
        for name in ("metrics.jsonl", "train.csv", "val.csv"):
            self.assertNotIn("ailab - ", (run / name).read_text(), name)

    def test_results_that_nobody_can_get_are_an_error(self):
        result = call(["sh", "-c", 'exec "$@" >&-', "sh", str(AILAB), "--version"])
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("cannot write to standard output: Bad file descriptor", result.err)

    def test_a_list_of_inputs_that_cannot_be_read_is_an_error(self):
        """And not an empty one."""
        config = mlp_config(self.folder, hooks=HOOKS)
        self.assertDone(call(command(config, plugins=["mlp"])))
        words = [str(AILAB), "infer", "--plugins", str(PLUGINS / "libmlp.so"), str(config), "latest", "-"]
        for stream, reason in (("<&-", "Bad file descriptor"), ("</", "Is a directory")):
            with self.subTest(stream):
                result = call(["sh", "-c", f'exec "$@" {stream}', "sh", *words])
                self.assertEqual(result.status, 1, str(result))
                self.assertIn(f"the list on standard input cannot be read: {reason}", result.err)
        self.assertEqual(call(["sh", "-c", 'exec "$@" </dev/null', "sh", *words]).status, 0)


class Threads(TestCase):
    def test_more_than_can_be_meant_are_refused(self):
        config = mlp_config(self.folder, **SHORT)
        for value in ("100000", "1025", "99999999999999999999", "2000,2"):
            with self.subTest(value):
                result = call(command(config, plugins=["mlp"]), timeout=30, OMP_NUM_THREADS=value)
                self.assertNotEqual(result.status, 0, str(result))
                self.assertIn(f"environment: OMP_NUM_THREADS is {value}; give at most 1024, or leave it out", result.err)

    def test_what_openmp_takes_is_taken(self):
        config = mlp_config(self.folder, **SHORT)
        for value, threads in (("3", "3 compute (OMP_NUM_THREADS)"), ("2,4", "2 compute (OMP_NUM_THREADS)"),
                               ("-3", "compute (chosen)"), ("", "compute (chosen)")):
            with self.subTest(value):
                result = call(command(config, plugins=["mlp"]), OMP_NUM_THREADS=value)
                self.assertDone(result)
                self.assertIn(threads, result.err)

    def test_commands_of_one_process_refuse_it_too(self):
        weights = [str(self.folder / "a.safetensors")] * 2
        for words in (["infer", "m.ailab", "a.png"], ["average", *weights, "-o", str(self.folder / "b.safetensors")]):
            result = call([str(AILAB), *words], timeout=30, OMP_NUM_THREADS=100000)
            self.assertEqual(result.status, 2, str(result))
            self.assertIn("OMP_NUM_THREADS is 100000; give at most 1024", result.err)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "another user's limit")
    def test_a_limit_of_processes_is_named(self):
        """Whatever cannot be started: LibTorch's pool and the hooks' writers would have the run wait for good."""
        config = mlp_config(self.folder, hooks=HOOKS, runtime={"threads": 2})
        self.folder.chmod(0o777)
        user = 20000 + os.getpid() % 40000  # whose processes are this test's alone
        statuses = set()
        for limit in range(1, 14):
            with self.subTest(limit=limit):
                words = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups",
                         "prlimit", f"--nproc={limit}:{limit}", *command(config, plugins=["mlp"])]
                result = call(words, timeout=60)
                statuses.add(result.status)
                if result.status != 0:
                    self.assertEqual(result.status, 1, str(result))
                    self.assertRegex(result.err, r"Resource temporarily unavailable|higher limit")
                    self.assertIn("ulimit -u", result.err)
        self.assertIn(1, statuses)


@NAMESPACES
class Mounts(TestCase):
    def test_without_proc(self):
        words = command(mlp_config(self.folder, **SHORT), plugins=["mlp"])
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                launcher = [] if ranks == 1 else ["mpirun", "--oversubscribe", "-np", str(ranks)]
                self.assertDone(call(inside("mount -t tmpfs none /proc", launcher + words)))
                summary = self.run_folder().lines("summary")[0]
                self.assertGreater(summary["time_to_first_step"], 0)

    def test_mpi_with_little_room_in_dev_shm(self):
        """A container's 64 MB are 16 ranks' segments of OpenMPI."""
        config = mlp_config(self.folder, dist={"backend": "mpi"}, **SHORT)
        words = ["mpirun", "--oversubscribe", "-np", "2", *command(config, plugins=["mlp"])]
        result = call(inside("mount -t tmpfs -o size=1m none /dev/shm", words))
        self.assertDone(result)
        self.assertRegex(result.err, r"mpi: /dev/shm has 1 MB free, and 2 ranks need 9: they talk through files in ")
        losses = self.run_folder().losses()
        self.assertDone(mpirun(2, command(config, plugins=["mlp"])))
        self.assertEqual(self.run_folder().losses(), losses)


class SystemCalls(TestCase):
    def test_mpi_where_other_processes_memory_must_not_be_read(self):
        config = mlp_config(self.folder, dist={"backend": "mpi"}, **SHORT)
        result = mpirun(2, command(config, plugins=["mlp"]), LD_PRELOAD=PLUGINS / "libno_process_vm.so")
        self.assertDone(result)
        self.assertNotIn("errno = 1", result.err)  # OpenMPI's two lines a step


class Signals(TestCase):
    def test_that_a_library_takes_away_are_taken_back(self):
        """Otherwise the run does not hear that it is to end, or ends without a checkpoint."""
        said = {"ignore": "switched off", "default": "set back", "handler": "put a handler of its own on"}
        for ranks in (1, 2):
            for how, what in said.items():
                for when in ("before_train_epoch", "after_train_iter"):
                    with self.subTest(ranks=ranks, how=how, when=when):
                        shutil.rmtree(self.work, ignore_errors=True)
                        hooks = {"checkpoint": {"type": "CheckpointHook"}, "logger": {"type": "LoggerHook"},
                                 "takes": {"type": "TakesSignals", "how": how, "when": when},
                                 "signal": {"type": "SignalHook", "point": "after_train_iter", "at": 30}}
                        words = command(mlp_config(self.folder, hooks=hooks), plugins=["takes", "faults", "mlp"])
                        result = mpirun(ranks, words)
                        self.assertEqual(result.status, 143, str(result))
                        self.assertIn(f"a plugin, or a library that it uses, has {what} SIGTERM, by which the run is told "
                                      "to save a checkpoint: it is taken back", result.err)
                        self.assertTrue(list(self.run_folder().path.glob("checkpoints/iter_*/manifest.json")), str(result))

    def test_that_were_ignored_from_the_start_stay_so(self):
        """As nohup does, and shells with what runs behind them."""
        hooks = {"logger": {"type": "LoggerHook"}, "signal": {"type": "SignalHook", "point": "after_train_iter", "at": 30}}
        words = command(mlp_config(self.folder, hooks=hooks), plugins=["faults", "mlp"])
        result = call(["sh", "-c", 'trap "" TERM; exec "$@"', "sh", *words])
        self.assertDone(result)
        self.assertNotIn("taken back", result.err)


class FilesOfARun(TestCase):
    """Of a run that goes on, something else stands where a file was."""

    def setUp(self):
        super().setUp()
        hooks = {**HOOKS, "predictions": {"type": "PredictionsHook"}, "report": {"type": "ReportHook"}}
        self.config = mlp_config(self.folder, hooks=hooks)
        self.assertDone(call(command(self.config, plugins=["mlp"])))

    def go_on(self):
        return call(command(self.config, ["resume_from=auto", "total_epochs=2"], plugins=["mlp"]), timeout=60)

    def test_a_pipe_or_a_device_is_refused(self):
        run = self.run_folder().path
        for name in ("train.log", "metrics.jsonl", "train.csv", "val.csv", "predictions_val.jsonl", "report.html",
                     "config.yaml", "environment.json", "broken_samples.jsonl"):
            for kind in ("a named pipe", "a device"):
                with self.subTest(name=name, kind=kind):
                    kept = (run / name).read_bytes() if (run / name).exists() else None
                    (run / name).unlink(missing_ok=True)
                    os.mkfifo(run / name) if kind == "a named pipe" else (run / name).symlink_to("/dev/zero")
                    result = self.go_on()
                    self.assertEqual(result.status, 1, str(result))
                    self.assertIn(f"{run / name} is {kind}, and the run would write to it: put the file back, or remove it",
                                  result.err)
                    (run / name).unlink()
                    if kept is not None:
                        (run / name).write_bytes(kept)
        self.assertDone(self.go_on())

    def test_what_a_tracker_reads_back_is_refused_too(self):
        hooks = {"checkpoint": {"type": "CheckpointHook"}, "tensorboard": {"type": "TensorboardHook", "interval": 10},
                 "wandb": {"type": "WandbHook", "interval": 10, "init_args": {"mode": "offline"}}}
        self.config = mlp_config(self.folder, hooks=hooks, work_dir=str(self.folder / "tracked"))
        self.assertDone(call(command(self.config, plugins=["mlp"])))
        events, = self.folder.glob("tracked/tf_logs/2*/events.out.tfevents.*")
        records, = self.folder.glob("tracked/2*/wandb/*/run-*.wandb")
        for file, status in ((events, 1), (records, 0)):
            for kind in ("a named pipe", "a device"):
                with self.subTest(file=file.name, kind=kind):
                    kept = file.read_bytes()
                    file.unlink()
                    os.mkfifo(file) if kind == "a named pipe" else file.symlink_to("/dev/zero")
                    result = self.go_on()
                    self.assertEqual(result.status, status, str(result))
                    self.assertIn(f"cannot open {file}: it is {kind}", result.err)
                    file.unlink()
                    file.write_bytes(kept)

    def test_so_is_a_folder(self):
        run = self.run_folder().path
        for name in ("train.log", "metrics.jsonl", "train.csv", "val.csv"):
            with self.subTest(name=name):
                (run / name).rename(self.folder / "kept")
                (run / name).mkdir()
                result = self.go_on()
                self.assertEqual(result.status, 1, str(result))
                self.assertRegex(result.err, rf"{run / name}.*: (Is a directory|it is a folder)")
                (run / name).rmdir()
                (self.folder / "kept").rename(run / name)
