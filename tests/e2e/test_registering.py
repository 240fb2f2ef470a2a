"""What a model registers, replaces or drops while a run goes on would never be trained or saved: refused by name, before
the first step where it is done by then, and else before the next epoch."""
import json
import unittest

import numpy

from harness import RunFolder, TestCase, call, command, mpirun
from test_batch_norms import rows


class Registering(TestCase):
    def config(self, name, model, **sections):
        folder = self.folder / name
        folder.mkdir()
        numpy.savetxt(folder / "train.txt", rows(24, 5), "%.6f")
        data = {"type": "Rows", "file": str(folder / "train.txt")}
        config = {
            "seed": 1, "work_dir": str(folder / "work"), "model": model,
            "data": {"train": data, "val": data, "train_dataloader": {"global_batch_size": 8}},
            "loss": {"type": "MSELoss"}, "optimizer": {"type": "SGD", "lr": 0.1},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": 2, "runtime": {"threads": 1},
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1}}}
        config.update(sections)
        path = folder / "config.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def run_it(self, path, ranks=1):
        words = command(path, plugins=["rows", "registering"])
        return mpirun(ranks, words) if ranks > 1 else call(words)

    def steps(self, path):
        metrics = RunFolder(path.parent / "work").path / "metrics.jsonl"
        return len([line for line in metrics.read_text().splitlines() if '"train"' in line]) if metrics.exists() else 0

    def test_changes_before_the_first_step(self):
        table = [
            ("module", "registered parameters after the run had begun, which no optimizer trains: late.weight, late.bias. "
                       "Make modules and parameters in the constructor"),
            ("parameter", "registered parameters after the run had begun, which no optimizer trains: bias. "),
            ("buffer", "registered buffers after the run had begun, with which no checkpoint could be loaded: count. "),
            ("replaced", "put other tensors in the place of parameters, and the optimizer goes on with those that were "
                         "there: scale. "),
            ("dropped", "dropped what was registered when the run began: fc.bias, fc.weight. "),
            ("thawed", "parameters that require gradients and did not when the run began, so that no optimizer has "
                       "them: scale. "),
        ]
        for what, text in table:
            for alone in (False, True):
                with self.subTest(what=what, in_training_alone=alone):
                    path = self.config(f"{what}_{alone}",
                                       {"type": "Registering", "what": what, "in_training_alone": alone})
                    result = self.run_it(path)
                    self.assertEqual(result.status, 2, str(result))
                    self.assertIn(f'{path}:4:11: model "Registering" has {text}', result.err)
                    self.assertEqual(self.steps(path), 0)

    def test_of_two_ranks_and_of_a_step_of_ones_own(self):
        for model, ranks in (("Registering", 2), ("RegisteringStep", 1), ("RegisteringStep", 2)):
            with self.subTest(model=model, ranks=ranks):
                path = self.config(f"{model}_{ranks}", {"type": model, "what": "module", "in_training_alone": True})
                result = self.run_it(path, ranks)
                self.assertEqual(result.status, 2, str(result))
                self.assertEqual(result.err.count("which no optimizer trains: late.weight, late.bias. "), 1, str(result))
                self.assertEqual(self.steps(path), 0)

    def test_a_later_change_ends_the_run_with_its_epoch(self):
        path = self.config("later", {"type": "Registering", "what": "replaced", "after": 1})
        result = self.run_it(path)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("goes on with those that were there: scale. ", result.err)
        self.assertIn(self.steps(path), (2, 3), "iterations of the first epoch")

    def test_what_is_in_order(self):
        for what in ("nothing", "fed", "frozen_later"):
            for model in ("Registering", "RegisteringStep"):
                with self.subTest(what=what, model=model):
                    path = self.config(f"{what}_{model}", {"type": model, "what": what},
                                       hooks={"logger": {"type": "LoggerHook", "interval": 1},
                                              "ddp": {"type": "DDPHook", "find_unused_parameters": True}})
                    self.assertDone(self.run_it(path))
                    self.assertEqual(self.steps(path), 6)


if __name__ == "__main__":
    unittest.main()
