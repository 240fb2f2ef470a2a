"""Mistakes of a configuration that only the built run shows: they too have their place and the status 2. And what
is no mistake but hardly meant: one warning at the start."""
import re
import unittest

from harness import FASHION_MNIST, TestCase, call, command, mlp_config

TRAIN_ALONE = {"train": {"type": "IDX", "root": str(FASHION_MNIST), "limit": 320},
               "train_dataloader": {"batch_size": 32}}


def schedule(**settings):
    return {"schedule": {"type": "LrSchedulerHook", **settings}}


class Late(TestCase):
    def start(self, name, overrides=(), **sections):
        folder = self.folder / name
        folder.mkdir()
        defaults = {"data": TRAIN_ALONE, "workflow": [["train", 1]], "hooks": {}}
        self.config = mlp_config(folder, **{**defaults, **sections})
        self.work = folder / "work"
        return call(command(self.config, overrides, plugins=["mlp"]))

    def text_at_place(self, message):
        """What stands in the file where the message begins."""
        line, column = re.search(r"config\.yaml:(\d+):(\d+): ", message).groups()
        return self.config.read_text().splitlines()[int(line) - 1][int(column) - 1:]


class Refused(Late):
    def test_the_place_is_that_of_the_option(self):
        table = [
            ("one cycle too short", {"hooks": schedule(by="iter", scheduler={
                "type": "OneCycleLR", "cycle_momentum": False, "total_steps": 5})},
             "5", "OneCycleLR is over after total_steps 5, and the run goes on to 10"),
            ("no momentum", {"optimizer": {"type": "SGD", "lr": 0.1}, "hooks": schedule(scheduler={"type": "OneCycleLR"})},
             "{", "OneCycleLR moves the momentum, and the optimizer has none"),
            ("warm-up by epoch", {"total_epochs": None, "total_iters": 5, "hooks": schedule(
                warmup="linear", warmup_iters=1, warmup_by_epoch=True, scheduler={"type": "StepLR", "step_size": 1})},
             "true", "warmup_by_epoch: the run counts iterations"),
            ("nothing to follow", {"hooks": schedule(monitor="loss", scheduler={"type": "ReduceLROnPlateau"})},
             '"loss"', "ReduceLROnPlateau follows a result of the val phase"),
            ("no data", {"data": {"train": {"type": "IDX", "root": "/nowhere"}}},
             '"/nowhere"', "IDX: neither /nowhere/train-images-idx3-ubyte nor "),
            ("no weights", {"load_from": "/nowhere.pth"}, '"/nowhere.pth"', "load_from: /nowhere.pth does not exist"),
            ("no file of weights", {"load_from": "/etc/hostname"},
             '"/etc/hostname"', "load_from: cannot read weights from /etc/hostname: it is neither"),
            ("no batch norm", {"norm_eval": ["bn"]}, '"bn"', 'norm_eval: "bn" matches no batch norm'),
        ]
        for name, sections, at, text in table:
            with self.subTest(name):
                result = self.start(name, **sections)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(": " + text, result.err)
                message = next(line for line in result.err.splitlines() if text in line)
                self.assertTrue(self.text_at_place(message).startswith(at), str(result))

    def test_the_place_is_the_override(self):
        result = self.start("override", ["data.train.root=/nowhere"])
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("command line, data.train.root=/nowhere: IDX: neither", result.err)


class Warned(Late):
    def warnings(self, result):
        self.assertDone(result)
        return [line for line in result.err.splitlines() if "WARNING" in line]

    def test_settings_without_their_effect(self):
        warm_up = schedule(warmup="linear", warmup_iters=50, scheduler={"type": "StepLR", "step_size": 1})
        table = [
            ("accumulation", {"accumulative_counts": 11},
             "accumulative_counts is 11, and a training phase has 10 iterations"),
            ("overfit", {"overfit_batches": 11}, "overfit_batches is 11, and data.train has 10 batches"),
            ("warm_up", {"hooks": warm_up}, "the warm-up takes 50 optimizer steps, and the whole run has 10"),
        ]
        for name, sections, text in table:
            with self.subTest(name):
                warnings = self.warnings(self.start(name, **sections))
                self.assertEqual(len(warnings), 1, warnings)
                self.assertIn(text, warnings[0])

    def test_settings_that_just_fit(self):
        self.assertEqual(self.warnings(self.start("fits", accumulative_counts=10, overfit_batches=10)), [])


class Told(Late):
    def test_the_start_says_what_the_model_computes_in_and_what_is_validated(self):
        plain = self.start("plain")
        self.assertIn("mixed precision: off", plain.err)
        self.assertNotIn("moving average", plain.err)
        hooks = {"amp": {"type": "AMPHook"}, "ema": {"type": "EMAHook", "decay": 0.9}}
        both = self.start("both", hooks=hooks)
        self.assertDone(both)
        self.assertIn("mixed precision: on, bfloat16", both.err)
        self.assertIn("moving average of the weights: on, decay 0.9; val and test run with the averaged weights", both.err)


if __name__ == "__main__":
    unittest.main()
