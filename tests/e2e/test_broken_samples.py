"""Samples that cannot be read: the run goes on without them, on all ranks in step, as if they had
never been in the data set."""
import json
import unittest

from harness import TestCase, RunFolder, command, mlp_config, mpirun

# Of each 16 samples of a batch 5 are broken; with 4 ranks the second has lost all of its 4.
IN_EACH_BATCH = [n for n in range(96) if n % 16 in (1, 4, 5, 6, 7)]
# Of each 32 samples of a step of two iterations 5 are broken in the first 16, 3 in the others.
IN_EACH_STEP = [n for n in range(96) if n % 32 in (1, 4, 5, 6, 7, 17, 18, 19)]


class BrokenSamples(TestCase):
    def start(self, name, ranks, broken, train=None, plugins=("mlp", "broken"), loader=None,
              val_loader=None, val=None, **sections):
        folder = self.folder / name
        folder.mkdir()
        samples = {"type": "BrokenNumbers", "broken": broken, **(train or {})}
        phases = {
            "train": samples, "val": {**samples, **(val or {})},
            "train_dataloader": {"global_batch_size": 16, "shuffle": False, "max_errors": 96, **(loader or {})},
            "val_dataloader": {"batch_size": 5, "on_error": "skip", "max_errors": 96, **(val_loader or {})}}
        if "workflow" in sections:
            del phases["val"], phases["val_dataloader"]
        sections = {
            "model": {"type": "MLP", "in": 8, "hidden": 16, "out": 4},
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
            "runtime": {"dtype": "float64"},
            "total_epochs": 3,
            "hooks": {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"}},
                      "trace": {"type": "SampleTraceHook"},
                      "logger": {"type": "LoggerHook", "interval": 1}},
            **sections}
        config = mlp_config(folder, data=phases, **sections)
        return mpirun(ranks, command(config, plugins=plugins)), RunFolder(folder / "work")

    def train(self, *args, **options):
        result, run = self.start(*args, **options)
        self.assertDone(result)
        return run

    def assertSameNumbers(self, run, expected, names):
        for mode in ("train", "val"):
            lines, wanted = run.lines(mode), expected.lines(mode)
            self.assertEqual(len(lines), len(wanted))
            for line, other in zip(lines, wanted):
                for name in names:
                    if name in other:
                        self.assertAlmostEqual(line[name], other[name], delta=1e-9 * abs(other[name]),
                                               msg=f"{mode} {line} {other}")

    def compare(self, name, broken, kept, names=("loss", "top1"), **sections):
        """Runs with broken samples give the numbers of a run of a data set without them, whose
        batches of `kept` hold the same samples."""
        with self.subTest(name):
            expected = self.train(f"{name}_without", 1, broken, train={
                "without": True, **sections.get("train", {})},
                loader={"global_batch_size": kept}, **{k: v for k, v in sections.items() if k != "train"})
            self.assertGreater(len(expected.lines("train")), 2)
            for ranks in (1, 4):
                run = self.train(f"{name}_{ranks}", ranks, broken, **sections)
                self.assertSameNumbers(run, expected, names)

    def test_losses_and_metrics_are_those_of_the_data_set_without_them(self):
        self.compare("mean", IN_EACH_BATCH, 11)

    def test_losses_with_class_weights(self):
        weighted = {"type": "CrossEntropyLoss", "weight": [1, 2, 3, 4]}
        self.compare("weights", IN_EACH_BATCH, 11, loss=weighted)
        losses = {"plain": {"type": "CrossEntropyLoss"}, "weighted": weighted}
        self.compare("sum", IN_EACH_BATCH, 11, names=("loss", "plain", "weighted"),
                     loss={"type": "DynamicWeightedLoss", "mode": "fixed", "losses": losses})

    def test_steps_of_several_iterations(self):
        logger = {"logger": {"type": "LoggerHook", "interval": 2}}
        self.compare("accumulated", IN_EACH_STEP, 12, accumulative_counts=2, hooks=logger)
        self.compare("accumulated_weights", IN_EACH_STEP, 12, accumulative_counts=2, hooks=logger,
                     loss={"type": "CrossEntropyLoss", "weight": [1, 2, 3, 4]})

    def test_an_optimizer_that_evaluates_the_loss_several_times(self):
        # Few steps: each line search makes more of what rounding has left.
        self.compare("lbfgs", IN_EACH_BATCH, 11, total_epochs=1, optimizer={
            "type": "LBFGS", "lr": 0.5, "max_iter": 4, "line_search_fn": "strong_wolfe"})

    def test_a_model_that_owns_its_step(self):
        adam = {"type": "Adam", "lr": 0.01}
        self.compare("gan", IN_EACH_BATCH, 11, names=("loss_d", "loss_g"), train={"noise": True},
                     plugins=("gan", "broken"), model={"type": "LineGAN"}, loss=None,
                     optimizer={"generator": adam, "discriminator": adam},
                     workflow=[["train", 1]], hooks={"logger": {"type": "LoggerHook", "interval": 1}})

    def test_a_batch_of_which_nothing_is_left_makes_no_step(self):
        broken = [*range(16, 32), 40, 41, 42, 43]
        runs = [self.train(f"ranks_{ranks}", ranks, broken, clip_grad={"max_norm": 1}) for ranks in (1, 2, 4)]
        wanted = [n for n in range(96) if n not in broken]
        for run, ranks in zip(runs, (1, 2, 4)):
            ids = run.samples(ranks)
            self.assertEqual(ids[1], [])
            self.assertEqual(sum(ids[:6], []), wanted)
            self.assertSameNumbers(run, runs[0], ("top1",))
            self.assertEqual(len(run.lines("train")), 18)

    def test_synchronised_batch_norm_where_a_rank_has_none(self):
        model = {"type": "MLP", "in": 8, "hidden": 16, "out": 4, "batch_norm": True}
        self.train("sync", 4, IN_EACH_BATCH, model=model, workflow=[["train", 1]], hooks={
            "ddp": {"type": "DDPHook", "sync_batch_norm": True},
            "logger": {"type": "LoggerHook", "interval": 1}})

    def test_they_are_counted_and_listed(self):
        run = self.train("listed", 4, [3, 50, 95], train={"damaged": [7, 8]}, val_loader={"max_errors": 3})
        log = (run.path / "train.log").read_text()
        line = ": 3 of 96 samples were left out, 2 used though damaged\n"
        self.assertEqual(log.count("data.train" + line), 3)
        self.assertEqual(log.count("data.val" + line), 3)
        self.assertEqual(log.count("data.train, sample 50: /data/50.jpg is no image\n"), 1)
        self.assertEqual(log.count("data.val, sample 7, used: /data/7.jpg is cut\n"), 1)
        records = [json.loads(l) for l in (run.path / "broken_samples.jsonl").read_text().splitlines()]
        self.assertEqual(sorted((r["data"], r["sample"], r["used"]) for r in records), sorted(
            (data, n, n in (7, 8)) for data in ("data.train", "data.val") for n in (3, 7, 8, 50, 95)))

    def test_too_many_end_the_run(self):
        for ranks, text in ((1, "cannot be used, and data.train_dataloader.max_errors is 7. The last"),
                            (4, "cannot be used, and data.train_dataloader.max_errors is 7")):
            result, _ = self.start(f"many_{ranks}", ranks, IN_EACH_BATCH, loader={"max_errors": 7})
            self.assertEqual(result.status, 1, str(result))
            self.assertIn(text, result.err)
        # By default a tenth of the samples, at least 10.
        result, _ = self.start("default", 1, list(range(11)), loader={"max_errors": None})
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("max_errors is 10.", result.err)
        self.train("enough", 1, list(range(10)), loader={"max_errors": None}, val_loader={"max_errors": None})

    def test_nothing_that_can_be_used_ends_the_run(self):
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
        for name, length in (("epochs", {}), ("iterations", {"total_epochs": None, "total_iters": 2})):
            for ranks in (1, 2):
                result, run = self.start(f"{name}_{ranks}", ranks, list(range(96)), hooks=hooks,
                                         workflow=[["train", 1]], **length)
                self.assertEqual(result.status, 1, str(result))
                self.assertIn("data.train: none of", result.err)
                self.assertEqual(list((run.path / "checkpoints").glob("*")), [])
        result, _ = self.start("val", 1, [], val={"broken": list(range(96))}, total_epochs=1)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("data.val: none of 96 samples can be used", result.err)

    def test_an_evaluation_fails_on_them_unless_told_otherwise(self):
        result, _ = self.start("fails", 2, [50], val_loader={"on_error": None})
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("data.val, sample 50 (/data/50.jpg): /data/50.jpg is no image", result.err)

    def test_a_loader_that_limits_the_run_is_named(self):
        run = self.train("slow", 1, [], train={"delay": 0.01}, workflow=[["train", 1]], total_epochs=1,
                         loader={"num_workers": 2, "global_batch_size": 4},
                         hooks={"logger": {"type": "LoggerHook", "interval": 6}})
        self.assertGreaterEqual(run.lines("train")[0]["decode_time"], 0.04)
        log = (run.path / "train.log").read_text()
        self.assertNotIn("decode_time", log)
        self.assertRegex(log, r"the loader limits the run: waiting for data.train takes \d+ % of it, and decode "
                              r"takes \d+ % of its 2 threads' time; raise data.train_dataloader.num_workers")

    def test_a_model_that_was_given_bytes(self):
        result, _ = self.start("bytes", 1, [], train={"bytes": True})
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("; input is uint8: end data.train.transforms with Normalize or ToTensor", result.err)


if __name__ == "__main__":
    unittest.main()
