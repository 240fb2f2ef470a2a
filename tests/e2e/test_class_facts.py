"""What a checkpoint keeps of the classes and the data, and what is said of data that contradict it, of labels that are
ignored, of mixed targets, and of options of data that have no effect."""
import json
import struct
import unittest

from harness import AILAB, call, command
from test_labels import PIXELS, Labels


class Facts(Labels):
    def train(self, train, val=None, overrides=(), **data):
        result = self.start(train, val or train, overrides=overrides, **data)
        self.assertDone(result)
        return result

    def evaluate(self, weights, data, name="tested"):
        """`ailab-run test` of these weights on other data."""
        path = self.folder / "config.yaml"
        config = json.loads(path.read_text())
        config["data"]["test"] = data
        other = self.folder / f"{name}.yaml"
        other.write_text(json.dumps(config, indent=1))
        return call([str(AILAB), "test", str(other), str(weights), "-o", str(self.folder / name)])

    def resumed(self, *overrides):
        return call(command(self.folder / "config.yaml", ["resume_from=auto", "total_epochs=2", *overrides]))

    def files_of_weights(self):
        """All that say what the weights in them were trained with."""
        config = str(self.folder / "config.yaml")
        epoch = self.run_folder().path / "checkpoints" / "epoch_1"
        moved, mean = self.folder / "moved.safetensors", self.folder / "mean.safetensors"
        moved.write_bytes((epoch / "model.safetensors").read_bytes())
        exported = [self.folder / f"exported.{kind}" for kind in ("pth", "safetensors")]
        for file in exported:
            self.assertDone(call([str(AILAB), "export", config, "latest", "--to", file.suffix[1:], "-o", str(file)]))
        self.assertDone(call([str(AILAB), "average", str(epoch), str(epoch), "-o", str(mean)]))
        beside = self.run_folder().path / "checkpoints" / "epoch_1.safetensors"
        return [epoch, epoch / "model.safetensors", beside, moved, mean, *exported]


class Tested(Facts):
    WEIGHTS_BESIDE = ["hooks.checkpoint.save_weights=true"]

    def test_named_classes_by_weights_that_were_trained_with_numbers(self):
        self.train(self.listed("a.csv", 0, 1, 2), overrides=self.WEIGHTS_BESIDE)
        names, folders = self.listed("n.csv", "cat", "dog"), self.folders("v", "1", "2")
        for file in self.files_of_weights():
            with self.subTest(file.name):
                result = self.evaluate(file, names)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn('the classes of data.test have names ("cat" is 0), and those of the training data are '
                              "numbers", result.err)
                self.assertRegex(result.err, r"tested\.yaml:\d+:\d+: ")
                self.assertDone(self.evaluate(file, self.listed("b.csv", 1, 2)))
                result = self.evaluate(file, folders)  # whose names are the numbers
                self.assertDone(result)
                self.assertEqual([p["label"] for p in self.predictions(self.folder / "tested" / "latest", "test")], [1, 2])

    def test_numbers_by_weights_that_were_trained_with_names(self):
        self.train(self.listed("a.csv", "cat", "dog", "eel"), overrides=self.WEIGHTS_BESIDE)
        numbers = self.listed("n.csv", 0, 1)
        for file in self.files_of_weights():
            with self.subTest(file.name):
                result = self.evaluate(file, numbers)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn('the classes of data.test are numbers, and those of the training data have names '
                              '("cat" is 0)', result.err)

    def test_a_class_that_the_training_did_not_have(self):
        self.train(self.listed("a.csv", 0, 1))
        result = self.evaluate("latest", self.listed("b.csv", 0, 2))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn(f"{self.folder}/b.csv:3: label 2 of data.test is none of the classes 0 … 1 of the training data, "
                      "which the weights were trained with; leave such samples out, or train with all classes", result.err)

    def test_weights_that_say_nothing_are_tested_as_before(self):
        self.train(self.listed("a.csv", 0, 1, 2))
        data = (self.run_folder().path / "checkpoints" / "epoch_1" / "model.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        self.assertTrue(json.loads(header.pop("__metadata__")["ailab.spec"])["classes_are_numbers"])
        bare = json.dumps(header).encode()
        file = self.folder / "bare.safetensors"
        file.write_bytes(struct.pack("<Q", len(bare)) + bare + data[8 + length:])
        self.assertDone(self.evaluate(file, self.listed("n.csv", "cat", "dog")))


class Resumed(Facts):
    def test_with_the_same_data_nothing_is_said(self):
        self.train(self.listed("a.csv", 0, 1, 2, 1), self.listed("b.csv", 0, 1))
        result = self.resumed()
        self.assertDone(result)
        self.assertNotIn("is not what the checkpoint was written with", result.err)

    def test_with_other_labels_and_the_same_classes(self):
        self.train(self.listed("a.csv", 0, 1, 2, 1), self.listed("b.csv", 0, 1))
        self.listed("a.csv", 1, 0, 2, 0)
        result = self.resumed()
        self.assertDone(result)
        said = [line for line in result.err.splitlines() if "is not what the checkpoint was written with" in line]
        self.assertEqual(len(said), 1, str(result))
        self.assertRegex(said[0], r"WARNING - resume: data\.train is not what .*labels: digest \w+ then, digest \w+ now")
        self.assertNotIn("number of classes", said[0])

    def test_with_what_is_validated_on_changed(self):
        self.train(self.listed("a.csv", 0, 1, 2, 1), self.listed("b.csv", 0, 1))
        self.listed("b.csv", 0, 1, 2)
        result = self.resumed()
        self.assertDone(result)
        self.assertRegex(result.err, r"resume: data\.val is not what .*samples: 2 then, 3 now")

    def test_with_more_samples_is_refused_and_says_what_differs(self):
        self.train(self.listed("a.csv", 0, 1, 2, 1))
        self.listed("a.csv", 0, 1, 2, 1, 0)
        result = self.resumed()
        self.assertNotEqual(result.status, 0, str(result))
        self.assertRegex(result.err, r"resume: data\.train is not what .*samples: 4 then, 5 now")
        self.assertIn("an epoch had 4 samples and has 5 now", result.err)

    def test_with_names_for_numbers_or_the_other_way_round(self):
        for then, now, text in (((0, 1, 2), ("cat", "dog", "eel"),
                                 'the classes of data.train have names ("cat" is 0), and those of the checkpoint are numbers'),
                                (("cat", "dog", "eel"), (0, 1, 2),
                                 'the classes of the checkpoint have names ("cat" is 0), and those of data.train are numbers')):
            with self.subTest(text):
                self.train(self.listed("a.csv", *then))
                self.listed("a.csv", *now)
                result = self.resumed()
                self.assertNotEqual(result.status, 0, str(result))
                self.assertIn(text, result.err)


class Ignored(Facts):
    LOSS = ["loss={type: CrossEntropyLoss, ignore_index: %d}"]

    def ignoring(self, number):
        return [self.LOSS[0] % number]

    def test_negative_labels_that_the_loss_ignores(self):
        for number, labels, data in ((-1, (0, -1, 2, 1), {}), (-100, ("cat", -100, "dog", "eel"),
                                                                {"classes": ["cat", "dog", "eel"]})):
            with self.subTest(number):
                train = {**self.listed("a.csv", *labels), **data}
                self.train(train, overrides=self.ignoring(number))
                found = self.predictions()
                self.assertEqual([p["label"] for p in found][1], number)

    def test_others_are_refused_with_their_places(self):
        train = self.listed("a.csv", 0, -1, 2, -1)
        for overrides in ((), self.ignoring(-100)):
            result = self.start(train, train, overrides=overrides)
            self.assertRefused(result, f"{self.folder}/a.csv:3: label -1 (2 samples) of data.train is negative; give a "
                                       "class's number, or, if such samples are to be left out, name it as ignore_index "
                                       "of the loss")

    def test_named_metrics_take_the_losss(self):
        train = self.listed("a.csv", 0, 255, 2, 1, 0, 255)
        self.train(train, overrides=[*self.ignoring(255),
                                     "hooks.metrics={type: MetricHook, f1: {type: F1Score, average: macro}, "
                                     "miou: {type: MeanIoU}, acc: {type: Accuracy}}"])
        acc, = [line["acc"] for line in self.run_folder().lines("val")]
        counted = [p for p in self.predictions() if p["label"] != 255]
        self.assertEqual(len(counted), 4)
        self.assertAlmostEqual(acc, 100 * sum(p["label"] == p["prediction"] for p in counted) / 4)

    def test_nothing_that_counts_is_nan_and_said_once(self):
        """As torch.nn.functional.cross_entropy of ignored targets alone."""
        train, val = self.listed("a.csv", 255, 255), self.listed("b.csv", 255, 255, 255)
        result = self.train(train, val, overrides=[*self.ignoring(255), "total_epochs=2", "optimizer.lr=0.1"])
        lines = self.run_folder().lines()
        for line in lines:
            self.assertNotEqual(line.get("loss"), 0, line)
        self.assertTrue([line for line in lines if line["mode"] == "val"])
        for phase, text in (("training, step 0", "none of the targets counts in loss"),
                            ("val", "none of the targets counts in loss")):
            said = [line for line in result.err.splitlines() if f"{phase}: {text}" in line]
            self.assertEqual(len(said), 1, str(result))
            self.assertIn("WARNING", said[0])


class Mixed(Facts):
    def mixed(self, kind, classes, **options):
        data = self.listed("a.csv", 0, 1, 2, 1)
        data["transforms"] = PIXELS + [{"type": kind, "num_classes": classes}]
        return data

    def test_of_the_models_classes(self):
        self.train(self.mixed("Mixup", 3), self.listed("b.csv", 0, 1))

    def test_of_another_number(self):
        for kind, classes in (("Mixup", 2), ("CutMix", 5)):
            with self.subTest(kind):
                result = self.start(self.mixed(kind, classes), self.listed("b.csv", 0, 1))
                self.assertRefused(result, f"{kind}: num_classes is {classes}, and the model tells 3 classes apart "
                                           "(model.num_classes): the mixed targets have one share a class. Set it to 3")
                self.assertRegex(result.err, r"config\.yaml:\d+:\d+: " + kind)


class NoEffect(Facts):
    def test_is_said_with_the_place(self):
        train = self.listed("a.csv", 0, 1, 2, 1)
        table = [
            (["data.val_dataloader.drop_last=true"], "data.val_dataloader.drop_last has no effect: "),
            (["data.val_dataloader.shuffle=true"], "data.val_dataloader.shuffle has no effect: "),
            (["data.val_dataloader.persistent_workers=false"], "data.val_dataloader.persistent_workers has no effect: "),
            (["data.test_dataloader.batch_size=3"], "data.test_dataloader has no effect: there is no data.test"),
            (["data.train_dataloader.on_error=fail", "data.train_dataloader.max_errors=3"],
             "data.train_dataloader.max_errors has no effect: "),
            (["workflow=[[train, 1]]", "val_interval=2"], "val_interval has no effect: "),
            (["overfit_batches=1"], "data.val has no effect: "),
            ([], None),
            (["data.train_dataloader.drop_last=true", "data.train_dataloader.shuffle=true"], None),
        ]
        for overrides, text in table:
            with self.subTest(overrides):
                result = self.train(train, self.listed("b.csv", 2, 0), overrides=overrides)
                said = [line for line in result.err.splitlines() if "has no effect" in line]
                self.assertEqual(len(said), 1 if text else 0, str(result))
                if text:
                    self.assertIn(text, said[0])
                    self.assertIn("INFO" if "overfit" in text or "data.val has" in text else "WARNING", said[0])
        # A saved configuration has all keys.
        saved = self.run_folder().path / "config.yaml"
        result = call(command(saved, ["work_dir=" + str(self.folder / "again")]))
        self.assertDone(result)
        self.assertNotIn("has no effect", result.err)


if __name__ == "__main__":
    unittest.main()
