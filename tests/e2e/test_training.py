"""What the training step can do: accumulation, clipping, options of single parameters, batch norms over all
ranks, mixed precision, and the short ways through a configuration."""
import math
import unittest

import numpy
from safetensors.numpy import load_file

from harness import FASHION_MNIST, RunFolder, TestCase, command, mlp_config, mpirun

LOGGER = {"logger": {"type": "LoggerHook", "interval": 1}}
SAVED = {**LOGGER, "checkpoint": {"type": "CheckpointHook"}}
WEIGHTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


class Training(TestCase):
    def start(self, name, *overrides, ranks=1, status=0, **sections):
        folder = self.folder / name
        folder.mkdir()
        settings = dict(workflow=[["train", 1]], hooks=SAVED, runtime={"dtype": "float64", "threads": 1})
        settings.update(sections)
        result = mpirun(ranks, command(mlp_config(folder, **settings), overrides, plugins=["mlp"]), timeout=120)
        self.assertEqual(result.status, status, str(result))
        return result, RunFolder(folder / "work")

    def data(self, samples, batch):
        images = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353, "limit": samples}
        return {"train": images, "train_dataloader": {"global_batch_size": batch}}

    def weights(self, run, name="epoch_1"):
        return load_file(run.path / "checkpoints" / name / "model.safetensors")

    def assertSameWeights(self, found, wanted, tolerance):
        for name in wanted:
            numpy.testing.assert_allclose(found[name], wanted[name], rtol=tolerance, atol=tolerance, err_msg=name)


class Accumulation(Training):
    LOSSES = {
        "plain": {"type": "CrossEntropyLoss"},
        "sum": {"type": "CrossEntropyLoss", "reduction": "sum"},
        "class weights": {"type": "CrossEntropyLoss", "weight": WEIGHTS},
        "ignored classes": {"type": "CrossEntropyLoss", "ignore_index": 3},
        "weighted sum": {"type": "WeightedLoss", "weights": {"a": 0.5, "b": 2.0},
                         "losses": {"a": {"type": "CrossEntropyLoss", "weight": WEIGHTS},
                                    "b": {"type": "CrossEntropyLoss", "label_smoothing": 0.1}}},
    }

    def test_equals_the_one_big_batch(self):
        # 200 samples: batches of 64 make steps of 64, 64, 64 and 8 samples; in quarters of 16 the last step
        # has one batch of 8, in eighths of 8 the same.
        for name, loss in self.LOSSES.items():
            optimizer = {"type": "SGD", "lr": 0.001 if name == "sum" else 0.1}
            _, whole = self.start(f"{name}-whole", loss=loss, data=self.data(200, 64), optimizer=optimizer)
            for ranks, parts in ((1, 4), (1, 8), (2, 4), (4, 8)):
                with self.subTest(loss=name, ranks=ranks, parts=parts):
                    _, run = self.start(f"{name}-{ranks}-{parts}", loss=loss, ranks=ranks,
                                        data=self.data(200, 64 // parts), accumulative_counts=parts,
                                        optimizer=optimizer)
                    self.assertSameWeights(self.weights(run), self.weights(whole), 1e-10)
                    last = run.lines("train")[-1]
                    self.assertEqual((last["step"], last["iter"]), (4, math.ceil(200 * parts / 64)))


class Clipping(Training):
    def test_the_norm_and_the_values_are_limited(self):
        sgd = {"type": "SGD", "lr": 1.0}
        one_step = dict(total_epochs=None, total_iters=1, optimizer=sgd, data=self.data(64, 64))
        start = dict(one_step, total_iters=1, optimizer={"type": "SGD", "lr": 0.0})
        before = self.weights(self.start("before", **start)[1], "epoch_1")
        gradients = {}
        for name, clip in (("none", None), ("norm", {"max_norm": 0.01}), ("value", {"max_value": 0.001}),
                           ("inf", {"max_norm": 0.001})):
            sections = dict(one_step, **({"clip_grad": clip} if clip else {}))
            overrides = ["clip_grad.norm_type=.inf"] if name == "inf" else []
            after = self.weights(self.start(name, *overrides, **sections)[1], "epoch_1")
            gradients[name] = numpy.concatenate([(before[k] - after[k]).ravel() for k in sorted(before)])
        free = gradients["none"]
        norm = numpy.linalg.norm(free)
        self.assertGreater(norm, 0.02)
        numpy.testing.assert_allclose(gradients["norm"], free * 0.01 / (norm + 1e-6), rtol=1e-6, atol=1e-12)
        numpy.testing.assert_allclose(gradients["value"], numpy.clip(free, -0.001, 0.001), rtol=1e-6, atol=1e-12)
        largest = abs(free).max()
        numpy.testing.assert_allclose(gradients["inf"], free * min(1, 0.001 / (largest + 1e-6)), rtol=1e-6, atol=1e-12)

    def test_the_norm_is_logged(self):
        _, run = self.start("logged", clip_grad={"max_norm": 1.0}, data=self.data(256, 64))
        self.assertTrue(all(line["grad_norm"] > 0 for line in run.lines("train")))


class Parameters(Training):
    def test_frozen_ones_stay_and_multipliers_count(self):
        sections = dict(optimizer={"type": "SGD", "lr": 0.1}, data=self.data(64, 64), total_epochs=None, total_iters=1)
        before = self.weights(self.start("before", **dict(sections, optimizer={"type": "SGD", "lr": 0.0}))[1], "epoch_1")
        plain = self.weights(self.start("plain", **sections)[1], "epoch_1")
        rules = {"custom_keys": {"fc1": {"freeze": True}, "fc2.weight": {"lr_mult": 0.5}}}
        found = self.weights(self.start("rules", **sections, paramwise_cfg=rules)[1], "epoch_1")
        numpy.testing.assert_array_equal(found["fc1.weight"], before["fc1.weight"])
        numpy.testing.assert_allclose(found["fc2.weight"] - before["fc2.weight"],
                                      0.5 * (plain["fc2.weight"] - before["fc2.weight"]), rtol=1e-6, atol=1e-12)
        numpy.testing.assert_allclose(found["fc2.bias"], plain["fc2.bias"], rtol=1e-12)

    def test_no_decay_for_norms_and_biases(self):
        # Without a learning from the data, only the decay moves the weights.
        sections = dict(model={"type": "MLP", "batch_norm": True}, data=self.data(64, 64), total_epochs=None,
                        total_iters=1, optimizer={"type": "AdamW", "lr": 0.001, "weight_decay": 0.9, "eps": 1e30})
        before = self.weights(self.start("before", **dict(sections, optimizer={"type": "SGD", "lr": 0.0}))[1], "epoch_1")
        found = self.weights(self.start("decay", **sections, paramwise_cfg={"norm_decay_mult": 0, "bias_decay_mult": 0})[1],
                             "epoch_1")
        for name in ("bn.weight", "bn.bias", "fc1.bias", "fc2.bias"):
            numpy.testing.assert_allclose(found[name], before[name], atol=1e-20, err_msg=name)
        for name in ("fc1.weight", "fc2.weight"):
            numpy.testing.assert_allclose(found[name], before[name] * (1 - 0.0009), rtol=1e-9, err_msg=name)

    def test_batch_norms_may_keep_their_statistics(self):
        model = {"type": "MLP", "batch_norm": True}
        for name, patterns, moves in (("free", [], True), ("kept", ["bn"], False)):
            _, run = self.start(name, model=model, data=self.data(64, 64), norm_eval=patterns)
            self.assertEqual(bool(self.weights(run)["bn.running_mean"].any()), moves)

    def test_a_pattern_that_matches_nothing_is_an_error(self):
        for name, sections, text in (
                ("params", {"paramwise_cfg": {"custom_keys": {"fc3": {"lr_mult": 2}}}},
                 '"fc3" matches no parameter'),
                ("regex", {"paramwise_cfg": {"custom_keys": {"fc(": {"lr_mult": 2}}}}, "no regular expression"),
                ("norms", {"norm_eval": ["bn"]}, '"bn" matches no batch norm')):
            with self.subTest(name):
                result, _ = self.start(name, status=2, **sections)
                self.assertIn(text, result.err)


class Ranks(Training):
    def test_sync_batch_norm_equals_one_rank(self):
        model = {"type": "MLP", "batch_norm": True}
        sections = dict(model=model, data=self.data(200, 64), optimizer={"type": "SGD", "lr": 0.1})
        note = "batch norms take the statistics of each rank's own samples"
        result, alone = self.start("alone", **sections)
        self.assertNotIn(note, result.err)
        for ranks in (2, 4):
            for sync in (True, False):
                ddp = {**SAVED, "ddp": {"type": "DDPHook", "sync_batch_norm": sync}}
                result, run = self.start(f"{ranks}{sync}", ranks=ranks, **{**sections, "hooks": ddp})
                found, wanted = self.weights(run), self.weights(alone)
                if sync:
                    self.assertSameWeights(found, wanted, 1e-9)
                    numpy.testing.assert_allclose(run.losses(), alone.losses(), rtol=1e-9)
                    self.assertNotIn(note, result.err)
                else:
                    self.assertGreater(abs(found["fc1.weight"] - wanted["fc1.weight"]).max(), 1e-6)
                    self.assertEqual(result.err.count(note), 1, str(result))
        result, _ = self.start("frozen", ranks=2, **sections, norm_eval=["bn"])
        self.assertNotIn(note, result.err, "their statistics do not move")

    def test_unused_parameters_are_named(self):
        model = {"type": "MLP", "idle": True}
        for unused, status in ((False, 1), (True, 0)):
            hooks = {**SAVED, "ddp": {"type": "DDPHook", "find_unused_parameters": unused}}
            result, _ = self.start(f"unused{unused}", ranks=2, status=status, model=model, hooks=hooks)
            if status:
                self.assertIn("does not depend on the parameters idle.weight, idle.bias on any rank", result.err)
                self.assertIn("find_unused_parameters: true", result.err)


class Precision(Training):
    def test_bfloat16_and_float16_learn_as_float32_does(self):
        sections = dict(runtime={"threads": 1}, workflow=[["train", 1], ["val", 1]], total_epochs=2)
        _, full = self.start("full", **sections, hooks={**LOGGER, "metrics": {"type": "MetricHook"}})
        wanted = full.lines("val")[-1]["top1"]
        for dtype in ("bfloat16", "float16"):
            hooks = {**LOGGER, "metrics": {"type": "MetricHook"}, "amp": {"type": "AMPHook", "dtype": dtype}}
            _, run = self.start(dtype, **sections, hooks=hooks)
            self.assertAlmostEqual(run.lines("val")[-1]["top1"], wanted, delta=3)
            self.assertNotEqual(run.losses(), full.losses())

    def test_a_scale_that_overflows_is_lowered_and_training_goes_on(self):
        hooks = {**SAVED, "amp": {"type": "AMPHook", "dtype": "float16", "init_scale": 2.0 ** 40}}
        _, run = self.start("overflow", runtime={"threads": 1}, hooks=hooks)
        losses = run.losses()
        self.assertLess(losses[-1], losses[0])
        state = load_file(run.path / "checkpoints" / "epoch_1" / "state.safetensors")
        self.assertLess(state["loss_scaler/scale"], 2.0 ** 40)


    def test_a_part_of_a_model_may_stay_in_float32(self):
        hooks = {**LOGGER, "amp": {"type": "AMPHook"}}
        _, whole = self.start("whole", runtime={"threads": 1}, hooks=hooks)
        _, parted = self.start("parted", runtime={"threads": 1}, hooks=hooks, model={"type": "MLP", "full_head": True})
        self.assertNotEqual(whole.losses()[0], parted.losses()[0])


class TwoHooks(Training):
    def test_that_write_the_same_file_are_refused(self):
        for name, hook in (("loggers", {"type": "LoggerHook"}), ("checkpoints", {"type": "CheckpointHook"})):
            with self.subTest(name):
                result, _ = self.start(name, status=2, hooks={"one": hook, "other": hook})
                self.assertIn('the hooks "one" and "other" both write', result.err)


class NanGuard(Training):
    EXPLODE = dict(optimizer={"type": "SGD", "lr": 1e30}, runtime={"threads": 1})

    def test_stop_names_what_was_not_finite(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                result, _ = self.start(f"stop{ranks}", ranks=ranks, status=1, **self.EXPLODE,
                                       hooks={**SAVED, "nan": {"type": "NanGuardHook"}})
                self.assertRegex(result.err, "fc[12].(weight|bias)")
                self.assertEqual(sum("ailab: [rank" in line for line in result.err.splitlines()), 1, result.err)

    def test_skip_gives_up_after_too_many(self):
        result, _ = self.start("skip", status=1, **self.EXPLODE,
                               hooks={**SAVED, "nan": {"type": "NanGuardHook", "action": "skip", "max_skips": 3}})
        self.assertIn("WARNING", result.err)

    def test_rollback_takes_the_newest_checkpoint(self):
        hooks = {**LOGGER, "checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": 1},
                 "nan": {"type": "NanGuardHook", "action": "rollback", "max_rollbacks": 2}}
        result, _ = self.start("rollback", status=1, **self.EXPLODE, hooks=hooks)
        self.assertIn("back to the state of", result.err)


class ShortWays(Training):
    def test_dry_run_takes_two_steps_of_each_phase_and_stays_in_its_folder(self):
        hooks = {**SAVED, "metrics": {"type": "MetricHook"}, "tensorboard": {"type": "TensorboardHook"}}
        hooks["logger"] = {"type": "LoggerHook", "interval": 1, "log_dir": str(self.folder / "elsewhere")}
        result, _ = self.start("dry", "--dry-run", workflow=[["train", 1], ["val", 1]], accumulative_counts=2,
                               total_epochs=5, hooks=hooks)
        self.assertFalse((self.folder / "elsewhere").exists())
        work = self.folder / "dry" / "work"
        self.assertEqual([p.name for p in work.iterdir()], ["dry_run"])
        run = RunFolder(work / "dry_run")
        self.assertEqual([line["step"] for line in run.lines("train")][-1], 2)
        self.assertEqual(len(run.lines("val")), 1)

    def test_overfit_batches_sees_the_same_few(self):
        hooks = {**LOGGER, "trace": {"type": "SampleTraceHook"}, "metrics": {"type": "MetricHook"}}
        _, run = self.start("overfit", overfit_batches=2, total_epochs=30, workflow=[["train", 1], ["val", 1]],
                            hooks=hooks)
        self.assertEqual({i for ids in run.samples(1) for i in ids}, set(range(64)))
        self.assertEqual(run.lines("val")[-1]["top1"], 100)

    def test_val_interval(self):
        for total, wanted in ((5, [2, 4, 5]), (4, [2, 4])):
            _, run = self.start(f"val{total}", total_epochs=total, val_interval=2, workflow=[["train", 1], ["val", 1]],
                                data={**self.data(64, 64), "val": self.data(64, 64)["train"]})
            self.assertEqual([line["epoch"] for line in run.lines("val")], wanted)

    def test_several_train_phases_before_a_val_phase(self):
        data = {**self.data(64, 32), "val": self.data(64, 64)["train"]}
        _, run = self.start("twice", total_epochs=4, workflow=[["train", 2], ["val", 1]], data=data)
        self.assertEqual([line["mode"] for line in run.lines() if line["mode"] != "summary"],
                         (["train"] * 4 + ["val"]) * 2)

    def test_deterministic_runs_are_equal(self):
        runs = [self.start(f"det{i}", runtime={"deterministic": True})[1] for i in range(2)]
        self.assertEqual(runs[0].losses(), runs[1].losses())


if __name__ == "__main__":
    unittest.main()
