"""A model may take and return other things in training than in evaluation, and a loss be computed in some phases alone."""
import json

from harness import RunFolder, TestCase, call, command, mpirun

SIZE = 150


class ModelPhases(TestCase):
    def config(self, name, **sections):
        data = {"type": "Synthetic", "shape": [16], "num_classes": 4, "size": SIZE}
        config = {
            "seed": 5, "work_dir": str(self.folder / name), "model": {"type": "LossesNet"},
            "data": {"train": data, "val": {**data, "size": 50},
                     "train_dataloader": {"global_batch_size": 16}, "val_dataloader": {"batch_size": 16}},
            "loss": {"type": "ModelsLoss", "phases": ["train"]}, "optimizer": {"type": "SGD", "lr": 0.1},
            "runtime": {"threads": 1, "dtype": "float64"}, "workflow": [["train", 1], ["val", 1]], "total_epochs": 2,
            "hooks": {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"}},
                      "logger": {"type": "LoggerHook", "interval": 1}, "checkpoint": {"type": "CheckpointHook"}}}
        config.update(sections)
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(config))
        return path

    def run_of(self, name, ranks=1, **sections):
        self.assertDone(mpirun(ranks, command(self.config(name, **sections), plugins=["phases"])))
        return RunFolder(self.folder / name)

    def words(self, *arguments):
        words = command(arguments[0], arguments[1:], plugins=["phases"])
        return [words[0], arguments[0], *words[1:3], *map(str, arguments[1:])]

    def test_it_trains_and_is_evaluated_as_one_that_is_the_same_in_all(self):
        plain = self.run_of("plain", model={"type": "ScoresNet"}, loss={"type": "CrossEntropyLoss"})
        for ranks in (1, 2, 4):
            run = self.run_of(f"own{ranks}", ranks)
            self.assertEqual(len(run.losses()), len(plain.losses()))
            for own, other in zip(run.losses(), plain.losses()):
                self.assertAlmostEqual(own, other, delta=1e-12)
            for own, other in zip(run.lines("val"), plain.lines("val"), strict=True):
                self.assertEqual(own["top1"], other["top1"])
                self.assertNotIn("loss", own)
                self.assertIn("loss", other)
        self.assertGreater(plain.lines("val")[-1]["top1"], 0.5)

    def test_what_trained_is_tested_and_exported_by_its_evaluation(self):
        run = self.run_of("trained")
        config, checkpoint = self.folder / "trained.yaml", run.path / "checkpoints" / "epoch_2"
        result = call([*self.words("test"), str(config), str(checkpoint), "data.test="
                       + json.dumps({"type": "Synthetic", "shape": [16], "num_classes": 4, "size": 50})])
        self.assertDone(result)
        for form in ("torchscript", "onnx", "artifact"):
            with self.subTest(form):
                self.assertDone(call([*self.words("export"), str(config), str(checkpoint), "--to", form, "-o",
                                      str(self.folder / form)]))

    def test_refused(self):
        metrics = {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train"]}}
        best = {"type": "CheckpointHook", "save_best": "loss"}
        parts = {"type": "WeightedLoss", "losses": {"one": {"type": "CrossEntropyLoss", "phases": ["train"]}}}
        rows = [
            ({"loss": {"type": "ModelsLoss"}}, 'loss "ModelsLoss" takes "losses", which is not there'),
            ({"loss": {"type": "ModelsLoss", "phases": ["val"]}},
             "phases of the loss leaves out train, by which the model is trained"),
            ({"loss": {"type": "ModelsLoss", "phases": []}}, "phases is empty, so it would never be computed"),
            ({"loss": {"type": "ModelsLoss", "phases": ["training"]}}, 'loss.phases[0] must be one of train, val, test, got "training"'),
            ({"loss": parts}, "phases is a key of the run's loss alone"),
            ({"hooks": {"metrics": metrics}}, "output"),
            ({"hooks": {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"}}, "best": best}}, "loss"),
            ({"model": {"type": "LossesNet", "output_keys": ["a", "b"]}}, 'output_keys names 2 outputs'),
        ]
        for number, (sections, message) in enumerate(rows):
            with self.subTest(message):
                config = self.config(f"refused{number}", **sections)
                result = call(command(config, plugins=["phases"]))
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, r"\.yaml:\d+:\d+: ")
                self.assertIn(message, result.err)
