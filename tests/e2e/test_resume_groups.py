"""The settings of single parameters: what a resume keeps of them, what is logged of them, and float16 steps
that are left out. The cases resume_groups, muon_resume and amp_diverged are among them."""
import json
import math
import unittest

import numpy
from safetensors.numpy import load_file

from harness import FASHION_MNIST, RunFolder, TestCase, command, mlp_config, mpirun

CHECKPOINTS = {"logger": {"type": "LoggerHook", "interval": 4}, "checkpoint": {"type": "CheckpointHook"}}


class ParameterSettings(TestCase):
    def config(self, name, **sections):
        folder = self.folder / name
        folder.mkdir()
        data = {"type": "IDX", "root": str(FASHION_MNIST), "mean": 0.286, "std": 0.353}
        settings = dict(data={"train": {**data, "train": True, "limit": 256},
                              "train_dataloader": {"global_batch_size": 32}},
                        workflow=[["train", 1]], hooks=CHECKPOINTS, runtime={"threads": 1})
        settings.update(sections)
        return mlp_config(folder, **settings)

    def start(self, config, *overrides, status=0):
        result = mpirun(1, command(config, overrides, plugins=["mlp"]), timeout=120)
        self.assertEqual(result.status, status, str(result))
        return result

    def run_of(self, name):
        return RunFolder(self.folder / name / "work")

    def weights(self, name, checkpoint):
        return load_file(self.run_of(name).path / "checkpoints" / checkpoint / "model.safetensors")

    def assertSameWeights(self, name, other, checkpoint):
        found, expected = self.weights(name, checkpoint), self.weights(other, checkpoint)
        self.assertEqual(sorted(found), sorted(expected))
        for key in expected:
            numpy.testing.assert_array_equal(found[key], expected[key], err_msg=key)


class Resume(ParameterSettings):
    def test_each_parameter_keeps_its_own(self):
        sections = dict(optimizer={"type": "AdamW", "lr": 0.01})
        rules = lambda name: {"custom_keys": {name: {"lr_mult": 0.1}}}
        self.start(self.config("straight", **sections, paramwise_cfg=rules("fc2.bias")), "total_epochs=2")
        config = self.config("resumed", **sections, paramwise_cfg=rules("fc2.bias"))
        self.start(config, "total_epochs=1")
        changed = json.loads(config.read_text())
        changed["paramwise_cfg"] = rules("fc1.weight")
        config.write_text(json.dumps(changed))
        result = self.start(config, "total_epochs=2", "resume_from=auto")
        self.assertIn("resume: lr is kept at 0.01 (the configuration gives 0.001), for fc1.weight", result.err)
        self.assertIn("resume: lr is kept at 0.001 (the configuration gives 0.01), for fc2.bias", result.err)
        self.assertSameWeights("resumed", "straight", "epoch_2")

    def test_of_muon_as_of_its_adamw(self):
        sections = dict(optimizer={"type": "Muon", "lr": 0.02, "adamw_lr": 0.02})
        self.start(self.config("straight", **sections), "total_epochs=4")
        for name, override in (("lower", "optimizer.lr=0.005"), ("lighter", "optimizer.weight_decay=0"),
                               ("other", "optimizer.adamw_lr=0.5"), ("zero", "optimizer.lr=0")):
            with self.subTest(override):
                config = self.config(name, **sections)
                self.start(config, "total_epochs=2")
                result = self.start(config, "total_epochs=4", "resume_from=auto", override)
                self.assertRegex(result.err, r"resume: optimizer\.\w+ was \S+ and is \S+; the checkpoint's is kept")
                self.assertSameWeights(name, "straight", "epoch_4")

    def test_a_rate_that_is_asked_for_is_given_to_all(self):
        hooks = {**CHECKPOINTS, "resume": {"type": "ResumeHook", "resume_lr": "initial"}}
        sections = dict(optimizer={"type": "Muon", "lr": 0.02, "adamw_lr": 0.01}, hooks=hooks)
        config = self.config("initial", **sections)
        self.start(config, "total_epochs=1")
        result = self.start(config, "total_epochs=2", "optimizer.lr=0", "optimizer.adamw_lr=0")
        self.assertIn("lr is set to 0 by resume_lr (it was 0.02), for fc1.weight, fc2.weight", result.err)
        self.assertIn("lr is set to 0 by resume_lr (it was 0.01), for fc1.bias, fc2.bias", result.err)
        before, after = self.weights("initial", "epoch_1"), self.weights("initial", "epoch_2")
        for key in before:
            numpy.testing.assert_array_equal(before[key], after[key], err_msg=key)

    def test_what_cannot_be_matched_is_refused_with_the_keys(self):
        config = self.config("frozen", paramwise_cfg={"custom_keys": {"fc1": {"freeze": True}}})
        self.start(config, "total_epochs=1")
        result = self.start(config, "total_epochs=2", "resume_from=auto",
                            "paramwise_cfg.custom_keys.fc1.freeze=false", status=2)
        self.assertIn("trained now and not then: fc1.weight, fc1.bias. Set back "
                      "paramwise_cfg.custom_keys.fc1.freeze (it was true), or start a new run from the weights "
                      "with load_from", result.err)

    def test_a_longer_cosine_says_from_what_to_what(self):
        hooks = {**CHECKPOINTS, "lr_scheduler": {"type": "LrSchedulerHook",
                                                 "scheduler": {"type": "CosineAnnealingLR"}}}
        config = self.config("cosine", optimizer={"type": "SGD", "lr": 0.1}, hooks=hooks)
        self.start(config, "total_epochs=4")
        result = self.start(config, "total_epochs=8", "resume_from=auto")
        # cos at 3/4 of the way, and at 1/2.
        self.assertIn("the learning rate jumps from 0.0146447, that of the checkpoint's last step, to 0.05:",
                      result.err)
        self.assertAlmostEqual(self.run_of("cosine").lines("train")[-1]["lr"], 0.05 * (1 + math.cos(7 / 8 * math.pi)))


class Logs(ParameterSettings):
    def test_the_rate_is_that_without_multiples(self):
        self.start(self.config("lr", optimizer={"type": "SGD", "lr": 0.1},
                               paramwise_cfg={"custom_keys": {"fc1.weight": {"lr_mult": 0.01}}}))
        self.assertEqual({line["lr"] for line in self.run_of("lr").lines("train")}, {0.1})

    def test_what_is_not_decayed_is_listed(self):
        result = self.start(self.config("decay", optimizer={"type": "AdamW", "lr": 0.1, "weight_decay": 0.05},
                                        model={"type": "MLP", "batch_norm": True},
                                        paramwise_cfg={"norm_decay_mult": 0, "bias_decay_mult": 0}))
        self.assertIn("weight decay 0.05, not of 4 of 6 parameters: fc*.bias (2), bn.weight, bn.bias\n", result.err)

    def test_a_polynomial_is_as_long_as_the_run(self):
        hooks = {**CHECKPOINTS, "lr_scheduler": {"type": "LrSchedulerHook", "scheduler": {"type": "PolynomialLR"}}}
        config = self.config("polynomial", optimizer={"type": "SGD", "lr": 0.1}, hooks=hooks)
        result = self.start(config, "total_epochs=8")
        self.assertNotIn("WARNING", result.err)
        rates = [line["lr"] for line in self.run_of("polynomial").lines("train") if line["iter"] == 8]
        numpy.testing.assert_allclose(rates, [0.1 * (1 - epoch / 8) for epoch in range(8)])
        result = self.start(config, "total_epochs=8", "hooks.lr_scheduler.scheduler.total_iters=5")
        self.assertRegex(result.err, r"config\.yaml:\d+:\d+: PolynomialLR leaves the learning rate at 0 from epoch 6 of 8")

    def test_float16_steps_that_overflow_are_no_divergence(self):
        hooks = {"logger": {"type": "LoggerHook", "interval": 4},
                 "amp": {"type": "AMPHook", "dtype": "float16", "init_scale": 2.0 ** 30}}
        result = self.start(self.config("half", optimizer={"type": "SGD", "lr": 0.01}, clip_grad={"max_norm": 1.0},
                                        hooks=hooks, total_epochs=8))
        self.assertNotIn("diverged", result.err)
        lines = self.run_of("half").lines("train")
        self.assertGreater(lines[0]["overflow"], 0.9, "steps were left out")
        self.assertEqual(lines[-1]["overflow"], 0)
        norms = [line["grad_norm"] for line in lines if "grad_norm" in line]
        self.assertTrue(all(0 < norm < 100 for norm in norms), norms)
        self.assertTrue(all(("grad_norm" in line) == (line["overflow"] < 1) for line in lines))


if __name__ == "__main__":
    unittest.main()
