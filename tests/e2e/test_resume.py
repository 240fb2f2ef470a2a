"""A run that is stopped or killed and goes on is the same run: parameters, optimizer, averages and logs
are those of a run without a stop, bit for bit."""
import json
import pathlib
import random
import signal
import subprocess
import time
import unittest

import numpy
from safetensors.numpy import load_file

from harness import RunFolder, TestCase, command, environment, mlp_config, mpirun

ITERATIONS = 600  # with accumulation and the short steps at the ends of epochs: 305 optimizer steps
FLAKY = ("time", "data_time", "memory", "samples_per_second", "time_to_first_step", "peak_memory")


def mpirun_gently(ranks, words, **options):
    """mpirun that leaves the ranks the time to save when it is told to end."""
    if ranks == 1:
        return mpirun(1, words, **options)
    return mpirun(ranks, words, extra=["--mca", "odls_base_sigkill_timeout", "3"], **options)


def tensors(checkpoint):
    """All that a checkpoint holds, without what only tells of times."""
    found = {}
    for file in sorted(pathlib.Path(checkpoint).glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            found[f"{file.name}:{name}"] = tensor
    return found


class ResumeCase(TestCase):
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

    def assertSameRun(self, straight, resumed, ranks):
        self.assertEqual(len([p for p in resumed.path.parent.iterdir() if p.is_dir() and not p.is_symlink()]), 1,
                         "the run went on in its own folder")
        name = f"checkpoints/iter_{ITERATIONS}"
        expected, found = tensors(straight.path / name), tensors(resumed.path / name)
        self.assertEqual(list(found), list(expected))
        for key in expected:
            # Files of text may differ in length by what is wall-clock time.
            numpy.testing.assert_array_equal(found[key], expected[key], err_msg=key)
        strip = lambda lines: [{k: v for k, v in line.items() if k not in FLAKY} for line in lines]
        for mode in ("train", "val"):
            self.assertEqual(strip(resumed.lines(mode)), strip(straight.lines(mode)))
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
                    # A step takes two iterations.
                    self.assertTrue((run.path / "checkpoints" / "iter_34" / "manifest.json").exists(), str(result))
                    self.assertIn(f"SIG{signal}", run.lines("summary")[0]["exit"])

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
        for before, after in ((1, 2), (2, 1), (2, 4), (4, 2)):
            with self.subTest(before=before, after=after):
                config = self.config(self.folder / f"moved{before}{after}", **sections)
                result = mpirun_gently(before, self.words(config, "hooks.signal.at=100"), timeout=60)
                self.assertEqual(result.status, 143, str(result))
                result = mpirun(after, self.words(config, "resume_from=auto"), timeout=60)
                self.assertDone(result)
                run = RunFolder(self.folder / f"moved{before}{after}" / "work")
                steps = run.samples(max(before, after))
                alone = straight.samples(1)
                self.assertEqual([sorted(ids) for ids in steps], [sorted(ids) for ids in alone])
                for line, wanted in zip(run.lines("train"), straight.lines("train")):
                    self.assertEqual(line["step"], wanted["step"])
                    self.assertAlmostEqual(line["loss"], wanted["loss"], delta=1e-9 * wanted["loss"])


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
        self.assertIn("optimizer.weight_decay was 0.0 and is 0.1", result.err)

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
        self.assertIn("none of the 1 checkpoints", result.err)

    def test_another_model(self):
        config, folder = self.stopped("model")
        result = mpirun(1, self.words(config, "resume_from=auto", "model.hidden=32"), timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn('"fc1.weight" is [64, 784] in the file and [32, 784] in the model', result.err)

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
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("/nowhere does not exist", result.err)


class LearningRate(ResumeCase):
    def test_keep_initial_or_a_number(self):
        hooks = {**self.HOOKS}
        del hooks["lr_scheduler"]
        for wanted, lr in (("keep", 0.001), ("initial", 0.5), (0.25, 0.25)):
            with self.subTest(resume_lr=wanted):
                config = self.config(self.folder / f"lr{wanted}", hooks={**hooks, "resume": {"type": "ResumeHook"}})
                result = mpirun(1, self.words(config, "hooks.signal.at=50"), timeout=60)
                self.assertEqual(result.status, 143, str(result))
                self.assertDone(mpirun(1, self.words(config, f"hooks.resume.resume_lr={wanted}", "optimizer.lr=0.5"),
                                       timeout=60))
                run = RunFolder(self.folder / f"lr{wanted}" / "work")
                self.assertEqual(run.lines("train")[-1]["lr"], lr)


if __name__ == "__main__":
    unittest.main()
