"""A run that is stopped or killed and goes on is the same run: parameters, optimizer, averages and logs
are those of a run without a stop, bit for bit."""
import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

import numpy

from harness import FASHION_MNIST, RunFolder, TestCase, command, environment, mlp_config, mpirun
from run_readers import log_lines, tensors

ITERATIONS = 600  # with accumulation and the short steps at the ends of epochs: 305 optimizer steps
FLAKY = ("time", "data_time", "memory", "samples_per_second", "time_to_first_step", "peak_memory")


def mpirun_gently(ranks, words, **options):
    """mpirun that leaves the ranks the time to save when it is told to end."""
    if ranks == 1:
        return mpirun(1, words, **options)
    return mpirun(ranks, words, extra=["--mca", "odls_base_sigkill_timeout", "3"], **options)


class ResumeCase(TestCase):
    flaky = FLAKY
    HOOKS = {
        "metrics": {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train", "val"]}},
        "logger": {"type": "LoggerHook", "interval": 7},
        "lr_scheduler": {"type": "LrSchedulerHook", "by": "iter", "warmup": "linear", "warmup_iters": 20,
                         "scheduler": {"type": "CosineAnnealingLR"}},
        "ema": {"type": "EMAHook", "decay": 0.99},
        "amp": {"type": "AMPHook"},
        "trace": {"type": "SampleTraceHook"},
        "checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": 40},
        "signal": {"type": "SignalHook"},
    }

    def config(self, folder, **sections):
        folder.mkdir(exist_ok=True)
        settings = dict(total_epochs=None, total_iters=ITERATIONS, hooks=self.HOOKS, accumulative_counts=2,
                        runtime={"threads": 1}, model={"type": "MLP", "dropout": 0.1})
        settings.update(sections)
        return mlp_config(folder, **settings)

    def words(self, config, *overrides):
        return command(config, overrides, plugins=["mlp", "faults"])

    def run_straight(self, name, ranks, **sections):
        config = self.config(self.folder / name, **sections)
        self.assertDone(mpirun(ranks, self.words(config), timeout=120))
        return RunFolder(self.folder / name / "work")

    def assertSameRun(self, straight, resumed, ranks, last=f"iter_{ITERATIONS}"):
        self.assertEqual(len([p for p in resumed.path.parent.iterdir() if p.is_dir() and not p.is_symlink()]), 1,
                         "the run went on in its own folder")
        name = f"checkpoints/{last}"
        expected, found = tensors(straight.path / name), tensors(resumed.path / name)
        self.assertEqual(list(found), list(expected))
        for key in expected:
            # Files of text may differ in length by what is wall-clock time.
            numpy.testing.assert_array_equal(found[key], expected[key], err_msg=key)
        strip = lambda lines: [{k: v for k, v in line.items() if k not in self.flaky} for line in lines]
        for mode in ("train", "val", "test"):
            self.assertEqual(strip(resumed.lines(mode)), strip(straight.lines(mode)))
        self.assertEqual(log_lines(resumed), log_lines(straight))
        self.assertEqual(resumed.samples(ranks), straight.samples(ranks))


class StopAndResume(ResumeCase):
    def go_on(self, config, ranks, stops):
        """Runs to the end with these stops on the way: (overrides, expected status)."""
        for overrides, status in stops:
            result = mpirun_gently(ranks, self.words(config, "resume_from=auto", *overrides), timeout=120)
            self.assertEqual(result.status, status, str(result))
        self.assertDone(mpirun(ranks, self.words(config, "resume_from=auto"), timeout=120))

    def test_twenty_stops_by_signal(self):
        draw = random.Random(5)
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                straight = self.run_straight(f"straight{ranks}", ranks)
                config = self.config(self.folder / f"stopped{ranks}")
                at = sorted(draw.sample(range(1, ITERATIONS), 20))
                self.go_on(config, ranks, [([f"hooks.signal.at={i}", f"hooks.signal.rank={i % ranks}"], 143)
                                           for i in at])
                self.assertSameRun(straight, RunFolder(self.folder / f"stopped{ranks}" / "work"), ranks)

    def test_stops_at_the_ends_of_epochs(self):
        # An epoch has 63 iterations. The line of its end is written when the run goes on. A signal that comes
        # after the last iteration is seen when the evaluation begins.
        momentum = {"type": "LrSchedulerHook", "by": "iter", "scheduler": {"type": "OneCycleLR", "max_lr": 0.01}}
        by_epoch = {"type": "LrSchedulerHook", "warmup": "linear", "warmup_iters": 150,
                    "scheduler": {"type": "StepLR", "step_size": 1}}
        for name, sections, last in (
                ("by_iter", {"total_iters": 200}, "iter_200"),
                ("one_by_one", {"total_iters": 200, "accumulative_counts": 1}, "iter_200"),
                ("momentum", {"total_iters": 189, "hooks": {**self.HOOKS, "lr_scheduler": momentum}}, "iter_189"),
                ("by_epoch", {"total_iters": None, "total_epochs": 3, "accumulative_counts": 1,
                              "hooks": {**self.HOOKS, "lr_scheduler": by_epoch}}, "iter_189")):
            for ranks in (1, 2):
                straight = self.run_straight(f"straight-{name}-{ranks}", ranks, **sections)
                for point, ends in (("before_train_iter", (62, 125, 188)), ("after_train_iter", (63, 126))):
                    with self.subTest(name, ranks=ranks, point=point):
                        folder = self.folder / f"{name}-{ranks}-{point}"
                        config = self.config(folder, **sections)
                        self.go_on(config, ranks, [([f"hooks.signal.at={at}", f"hooks.signal.point={point}",
                                                     f"hooks.signal.rank={ranks - 1}"], 143) for at in ends])
                        self.assertSameRun(straight, RunFolder(folder / "work"), ranks, last)

    def test_killed_once_in_each_phase(self):
        kill = {"before_train_iter": 91, "after_backward": 130, "after_step": 171, "before_save_checkpoint": 200,
                "before_val_iter": 2}
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                straight = self.run_straight(f"straight{ranks}", ranks)
                config = self.config(self.folder / f"killed{ranks}")
                for point, at in kill.items():
                    words = self.words(config, "resume_from=auto", "hooks.signal.signal=KILL",
                                       f"hooks.signal.point={point}", f"hooks.signal.at={at}",
                                       f"hooks.signal.rank={ranks - 1}")
                    result = mpirun(ranks, words, timeout=120)
                    self.assertNotEqual(result.status, 0, str(result))
                self.assertDone(mpirun(ranks, self.words(config, "resume_from=auto"), timeout=120))
                self.assertSameRun(straight, RunFolder(self.folder / f"killed{ranks}" / "work"), ranks)


class Signals(ResumeCase):
    def test_each_signal_ends_with_its_status_after_a_checkpoint(self):
        for signal, status in (("TERM", 143), ("INT", 130), ("HUP", 129), ("USR2", 140)):
            for ranks in (1, 2):
                with self.subTest(signal=signal, ranks=ranks):
                    folder = self.folder / f"{signal}{ranks}"
                    words = self.words(self.config(folder), f"hooks.signal.signal={signal}",
                                       "hooks.signal.at=33", f"hooks.signal.rank={ranks - 1}")
                    result = mpirun_gently(ranks, words, timeout=60)
                    self.assertEqual(result.status, status, str(result))
                    run = RunFolder(folder / "work")
                    # A step takes two iterations. On a busy machine the signal may reach the other rank a step late.
                    saved, = (run.path / "checkpoints").glob("iter_*")
                    self.assertIn(saved.name, ("iter_34", "iter_36", "iter_38"), str(result))
                    self.assertTrue((saved / "manifest.json").exists(), str(result))
                    self.assertIn(f"SIG{signal}", run.lines("summary")[0]["exit"])
                    self.assertNotIn("ailab: [rank", result.err, "that is how failures are told")
                    self.assertIn(f"SIG{signal}: saving a checkpoint, then the run ends", result.err)

    def test_a_second_one_ends_at_once_and_names_the_newest_checkpoint(self):
        for ranks in (1, 2):
            for hooks, text in ((self.HOOKS, r"the newest complete checkpoint is (\S+/iter_(?:40|8[01]))\n"),
                                ({"signal": {"type": "SignalHook"}}, "no checkpoint of this run is complete")):
                with self.subTest(ranks=ranks, text=text):
                    folder = self.folder / f"again{ranks}{len(hooks)}"
                    words = self.words(self.config(folder, hooks=hooks), "hooks.signal.signal=INT",
                                       "hooks.signal.at=90", "hooks.signal.again_after=0.4")
                    result = mpirun(ranks, words, timeout=60)
                    self.assertEqual(result.status, 130, str(result))
                    found = re.search("ailab: SIGINT again: ended at once; " + text, result.err)
                    self.assertIsNotNone(found, str(result))
                    for path in found.groups():
                        self.assertTrue((pathlib.Path(path) / "manifest.json").exists())

    def launch(self, name, ranks):
        """mpirun with ranks that train until they are stopped, and the folder of their run."""
        config = self.config(self.folder / name, total_iters=10_000_000)
        # mpirun waits so many seconds before SIGTERM too, and reads nothing more of what the ranks print: they
        # must not fill the pipe.
        quiet = ["hooks.logger.interval=1000", "hooks.checkpoint.interval=400", "workflow=[[train, 1]]"]
        launcher = subprocess.Popen(["mpirun", "--oversubscribe", "--mca", "odls_base_sigkill_timeout", "3",
                                     "-np", str(ranks), *self.words(config, *quiet)], start_new_session=True, text=True,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
        work = self.folder / name / "work"
        self.until(lambda: (work / "last_checkpoint").exists())
        return launcher, RunFolder(work)

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_ctrl_c_at_mpirun_is_a_stop(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                launcher, run = self.launch(f"launched{ranks}", ranks)
                launcher.send_signal(signal.SIGINT)  # which it passes on as SIGTERM
                _, err = launcher.communicate(timeout=60)
                self.assertNotIn("ailab: [rank", err)
                # mpirun passes on nothing more of what the ranks print.
                self.assertIn("SIGTERM: saving a checkpoint, then the run ends",
                              (run.path / "train.log").read_text())
                self.assertIn("stopped by SIGTERM", run.lines("summary")[0]["exit"])

    def test_a_single_rank_stops_when_its_mpirun_is_killed(self):
        launcher, run = self.launch("killed", 1)
        launcher.kill()
        launcher.wait()
        launcher.stderr.close()
        self.until(lambda: '"summary"' in (run.path / "metrics.jsonl").read_text())
        self.assertIn("stopped by SIGTERM", run.lines("summary")[0]["exit"])

    def test_usr1_saves_and_goes_on(self):
        config = self.config(self.folder / "usr1")
        self.assertDone(mpirun(1, self.words(config, "hooks.signal.signal=USR1", "hooks.signal.at=33"), timeout=60))
        run = RunFolder(self.folder / "usr1" / "work")
        self.assertTrue((run.path / "checkpoints" / "iter_34" / "manifest.json").exists())
        self.assertTrue((run.path / "checkpoints" / f"iter_{ITERATIONS}" / "manifest.json").exists())

    def test_the_death_of_a_rank_saves_nothing(self):
        # mpirun sends SIGTERM to the others when one rank died.
        config = self.config(self.folder / "dead", hooks={"signal": {"type": "SignalHook"}})
        words = self.words(config, "hooks.signal.signal=KILL", "hooks.signal.at=50", "hooks.signal.rank=1")
        result = mpirun_gently(2, words, timeout=60)
        self.assertNotEqual(result.status, 0, str(result))
        self.assertFalse((RunFolder(self.folder / "dead" / "work").path / "checkpoints").exists())

    def test_a_stop_in_an_evaluation(self):
        straight = self.run_straight("straight", 1)
        config = self.config(self.folder / "val")
        words = self.words(config, "hooks.signal.point=before_val_iter", "hooks.signal.at=0")
        result = mpirun(1, words, timeout=60)
        self.assertEqual(result.status, 143, str(result))
        self.assertDone(mpirun(1, self.words(config, "resume_from=auto"), timeout=60))
        self.assertSameRun(straight, RunFolder(self.folder / "val" / "work"), 1)


class OtherWorld(ResumeCase):
    def test_another_number_of_ranks_sees_the_same_samples(self):
        # Dropout is each rank's own; without it the losses are the same.
        hooks = {name: hook for name, hook in self.HOOKS.items() if name != "amp"}
        sections = dict(model={"type": "MLP"}, hooks=hooks, runtime={"dtype": "float64", "threads": 1})
        straight = self.run_straight("straight", 1, **sections)
        # 125 is the last iteration of an epoch.
        for before, after, at in ((1, 2, 100), (2, 1, 100), (2, 4, 100), (4, 2, 100), (1, 2, 125), (2, 1, 125)):
            with self.subTest(before=before, after=after, at=at):
                name = f"moved{before}{after}at{at}"
                config = self.config(self.folder / name, **sections)
                stop = [f"hooks.signal.at={at}", "hooks.signal.point=before_train_iter"]
                result = mpirun_gently(before, self.words(config, *stop), timeout=60)
                self.assertEqual(result.status, 143, str(result))
                result = mpirun(after, self.words(config, "resume_from=auto"), timeout=60)
                self.assertDone(result)
                run = RunFolder(self.folder / name / "work")
                steps = run.samples(max(before, after))
                alone = straight.samples(1)
                self.assertEqual([sorted(ids) for ids in steps], [sorted(ids) for ids in alone])
                self.assertEqual(len(run.lines("train")), len(straight.lines("train")))
                for line, wanted in zip(run.lines("train"), straight.lines("train")):
                    self.assertEqual((line["step"], line["lr"]), (wanted["step"], wanted["lr"]))
                    self.assertAlmostEqual(line["loss"], wanted["loss"], delta=1e-9 * wanted["loss"])


    def test_a_batch_of_the_ranks_stays_that_of_the_ranks_that_began(self):
        sections = dict(total_iters=None, data=self.per_rank(16), hooks={"checkpoint": {"type": "CheckpointHook"}},
                        accumulative_counts=1)
        name = self.folder / "ranks"
        for ranks, epochs in ((2, 1), (1, 2), (1, 3), (2, 4)):
            config = self.config(name, **sections, total_epochs=epochs)
            result = mpirun(ranks, self.words(config, *(["resume_from=auto"] if epochs > 1 else [])), timeout=60)
            self.assertDone(result)
        config = self.config(name, **{**sections, "data": self.per_rank(8)}, total_epochs=5)
        result = mpirun(2, self.words(config, "resume_from=auto"), timeout=60)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("a step takes 16 samples over all ranks, and took 32", result.err)

    def per_rank(self, size):
        images = {"type": "IDX", "root": str(FASHION_MNIST)}
        return {"train": {**images, "limit": 320}, "val": {**images, "train": False, "limit": 100},
                "train_dataloader": {"batch_size": size}, "val_dataloader": {"batch_size": 50}}


class Refused(ResumeCase):
    def stopped(self, name, *overrides):
        config = self.config(self.folder / name)
        result = mpirun(1, self.words(config, "hooks.signal.at=50", *overrides), timeout=60)
        self.assertEqual(result.status, 143, str(result))
        run = RunFolder(self.folder / name / "work")
        return config, run.path / "checkpoints"

    def test_a_changed_configuration(self):
        config, _ = self.stopped("changed")
        for override, text in (("seed=4", "seed was 3 and is 4"),
                               ("data.train.limit=1000", "data.train.limit was 2000 and is 1000"),
                               ("optimizer.type=SGD", "optimizer.type was Adam and is SGD"),
                               ("data.train_dataloader.global_batch_size=16", "a step takes 16 samples")):
            with self.subTest(override=override):
                result = mpirun(1, self.words(config, "resume_from=auto", override), timeout=60)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(text, result.err)
        result = mpirun(1, self.words(config, "resume_from=auto", "optimizer.weight_decay=0.1",
                                      "data.val.limit=100"), timeout=60)
        self.assertDone(result)
        self.assertIn("optimizer.weight_decay was 0.0 and is 0.1; the checkpoint's is kept", result.err)

    def test_damaged_checkpoints_are_passed_over(self):
        for damage, why in (("truncate", "bytes, its manifest says"), ("flip", "checksum"),
                            ("manifest", "not complete"), ("rank", "rank0.safetensors")):
            with self.subTest(damage=damage):
                config, folder = self.stopped(damage)
                newest = folder / "iter_52"
                self.assertTrue(newest.exists(), list(folder.iterdir()))
                file = newest / ("rank0.safetensors" if damage == "rank" else "model.safetensors")
                if damage == "truncate":
                    file.write_bytes(file.read_bytes()[:-1])
                elif damage == "flip":
                    data = bytearray(file.read_bytes())
                    data[-1] ^= 1
                    file.write_bytes(data)
                elif damage == "manifest":
                    (newest / "manifest.json").unlink()
                else:
                    file.unlink()
                result = mpirun(1, self.words(config, "resume_from=auto"), timeout=60)
                self.assertDone(result)
                self.assertIn("passes over", result.err)
                self.assertIn(why, result.err)
                self.assertIn("resumed from", result.err)
                self.assertIn("iter_40", [l for l in result.err.splitlines() if "resumed from" in l][0])
                # Named outright, it is refused.
                result = mpirun(1, self.words(config, f"resume_from={newest}"), timeout=60)
                self.assertEqual(result.status, 1, str(result))

    def test_only_damaged_checkpoints_are_no_fresh_start(self):
        config, folder = self.stopped("all", "hooks.checkpoint.enable=false")
        for checkpoint in folder.iterdir():
            (checkpoint / "manifest.json").unlink()
        result = mpirun(1, self.words(config, "resume_from=auto"), timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("none of the checkpoints in", result.err)

    def test_a_copied_work_dir_stands_by_itself(self):
        config, folder = self.stopped("original")
        work = folder.parents[1]
        shutil.copytree(work, self.folder / "copy", symlinks=True)
        result = mpirun(1, self.words(config, "resume_from=auto", "hooks.signal.at=90"), timeout=60)
        self.assertEqual(result.status, 143, str(result))
        before = sorted((path.name, path.stat().st_mtime) for path in work.rglob("*"))
        result = mpirun(1, self.words(config, "resume_from=auto", f"work_dir={self.folder / 'copy'}"), timeout=60)
        self.assertDone(result)
        self.assertIn(f"resumed from {self.folder / 'copy' / folder.parent.name}/checkpoints/iter_52 ", result.err)
        self.assertEqual(before, sorted((path.name, path.stat().st_mtime) for path in work.rglob("*")))

    def test_another_model(self):
        config, folder = self.stopped("model")
        result = mpirun(1, self.words(config, "resume_from=auto", "model.hidden=32"), timeout=60)
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r'config\.yaml:\d+:\d+: resume from \S+/iter_52 does not fit the model: '
                         r'"fc1.bias" is \[64\] in the file and \[32\] in the model; '
                         r'"fc1.weight" is \[64, 784\] in the file and \[32, 784\] in the model')

    def test_a_run_that_is_alive(self):
        config, folder = self.stopped("alive")
        lock = folder.parent / ".lock"
        lock.write_text("host elsewhere, process 17")
        result = mpirun(1, self.words(config, "resume_from=auto"), timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("is still alive (host elsewhere, process 17)", result.err)

    def test_a_run_that_is_alive_on_this_host(self):
        config, folder = self.stopped("live")
        words = self.words(config, "resume_from=auto", "total_iters=10000000")
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        try:
            deadline = time.monotonic() + 20
            while not (folder.parent / ".lock").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.2)
            result = mpirun(1, self.words(config, "resume_from=auto"), timeout=60)
            self.assertEqual(result.status, 1, str(result))
            self.assertIn(f"is still alive (host", result.err)
            self.assertIn(f"process {running.pid}", result.err)
        finally:
            running.send_signal(signal.SIGTERM)
            self.assertEqual(running.wait(timeout=30), 143)
        self.assertFalse((folder.parent / ".lock").exists(), "gone with the process")

    def test_nothing_there_is_a_fresh_run(self):
        config = self.config(self.folder / "fresh")
        result = mpirun(1, self.words(config, "resume_from=auto", "total_iters=4"), timeout=60)
        self.assertDone(result)
        self.assertIn("a fresh run begins", result.err)

    def test_a_name_that_is_not_there(self):
        config = self.config(self.folder / "missing")
        result = mpirun(1, self.words(config, "resume_from=/nowhere"), timeout=60)
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r"command line, resume_from=/nowhere: resume_from: /nowhere does not exist")

    def test_what_is_no_checkpoint(self):
        config = self.config(self.folder / "yaml")
        for ranks in (1, 2):
            result = mpirun(ranks, self.words(config, f"resume_from={config}"), timeout=60)
            self.assertEqual(result.status, 2, str(result))
            self.assertIn(f'resume_from: cannot read {config}: it is no file of torch.save, but a text that '
                          'begins with "{"', result.err)


class NothingToDo(ResumeCase):
    def test_a_run_whose_end_was_set_back_before_where_it_stands(self):
        config = self.config(self.folder / "back", total_iters=None, total_epochs=3,
                             hooks={"checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": 50}})
        self.assertDone(mpirun(1, self.words(config), timeout=60))
        newest = sorted((self.folder / "back").rglob("iter_*"), key=lambda p: int(p.name[5:]))[-1]
        steps = int(newest.name[5:])
        self.assertGreater(steps, 100)  # in the third epoch of 63
        result = mpirun(1, self.words(config, f"resume_from={newest}", "total_epochs=2"), timeout=60)
        self.assertDone(result)
        self.assertIn("no training is left: the run has had all 2 epochs", result.err)
        state = sorted(p.name for p in newest.parent.iterdir())
        self.assertNotIn("epoch_3", state)
        self.assertNotIn("Epoch(train) [3]", result.err)

    def test_a_run_that_is_complete(self):
        for name, length, key in (("iters", {"total_iters": 70}, "all 70 iterations; raise total_iters"),
                                  ("epochs", {"total_iters": None, "total_epochs": 1},
                                   "all 1 epochs; raise total_epochs")):
            with self.subTest(name):
                config = self.config(self.folder / name, **length)
                result = mpirun(1, self.words(config), timeout=60)
                self.assertDone(result)
                self.assertNotIn("no training is left", result.err)
                result = mpirun(1, self.words(config, "resume_from=auto"), timeout=60)
                self.assertDone(result)
                self.assertIn(f"no training is left: the run has had {key} to train on", result.err)

    def test_a_dry_run_begins_afresh(self):
        config = self.config(self.folder / "dry")
        self.assertDone(mpirun(1, self.words(config, "total_iters=4"), timeout=60))
        result = mpirun(1, self.words(config, "resume_from=auto", "--dry-run"), timeout=60)
        self.assertDone(result)
        self.assertIn("--dry-run begins afresh: resume_from (auto) is not followed", result.err)


class LearningRate(ResumeCase):
    def test_keep_initial_or_a_number(self):
        hooks = {**self.HOOKS}
        del hooks["lr_scheduler"]
        for wanted, lr, said in (("keep", 0.001, "; the checkpoint's is kept; see resume_lr of ResumeHook"),
                                 ("initial", 0.5, "\n"), (0.25, 0.25, "; resume_lr sets it to 0.25")):
            with self.subTest(resume_lr=wanted):
                config = self.config(self.folder / f"lr{wanted}", hooks={**hooks, "resume": {"type": "ResumeHook"}})
                result = mpirun(1, self.words(config, "hooks.signal.at=50"), timeout=60)
                self.assertEqual(result.status, 143, str(result))
                result = mpirun(1, self.words(config, f"hooks.resume.resume_lr={wanted}", "optimizer.lr=0.5"),
                                timeout=60)
                self.assertDone(result)
                self.assertIn("optimizer.lr was 0.001 and is 0.5" + said, result.err)
                run = RunFolder(self.folder / f"lr{wanted}" / "work")
                self.assertEqual(run.lines("train")[-1]["lr"], lr)


if __name__ == "__main__":
    unittest.main()
