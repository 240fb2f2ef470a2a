"""What a data set does to its samples by default is written down where the user looks for it."""
import json
import os
import re
import subprocess

import numpy
from PIL import Image

from harness import AILAB, RunFolder, TestCase, call, command, environment, mlp_config

CLIP = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}


class DefaultTransforms(TestCase):
    def setUp(self):
        super().setUp()
        random = numpy.random.default_rng(0)
        lines = []
        for i in range(6):
            Image.fromarray(random.integers(0, 255, (12, 10, 3), dtype=numpy.uint8)).save(self.folder / f"{i}.png")
            lines.append(f"{self.folder / str(i)}.png {i % 2}")
        (self.folder / "all.txt").write_text("\n".join(lines) + "\n")

    def config(self, **train):
        data = {"type": "ClassificationImageDataset", "annotation_file": str(self.folder / "all.txt")}
        return mlp_config(self.folder, model={"type": "mobilenet_v3_small", "num_classes": 2}, total_epochs=2,
                          runtime={"threads": 1}, optimizer={"type": "SGD", "lr": 0.01},
                          data={"train": {**data, **train}, "val": data, "train_dataloader": {"global_batch_size": 3},
                                "val_dataloader": {"batch_size": 6}},
                          hooks={"logger": {"type": "LoggerHook", "interval": 1},
                                 "checkpoint": {"type": "CheckpointHook", "interval": 1}})

    def run_it(self, *overrides, status=0, config=None):
        result = call(command(config or self.config(), overrides), timeout=200)
        self.assertEqual(result.status, status, str(result))
        return result

    def test_they_are_in_the_log_and_in_the_saved_configuration(self):
        result = self.run_it("total_epochs=1")
        for phase in ("train", "val"):
            self.assertRegex(result.err, rf"data\.{phase}: no transforms given, takes \[\{{type: Resize, "
                                         r"size: \[224, 224\]\}, \{type: Normalize, mean: \[0\.48145466, ")
        run = self.run_folder().path
        saved = (run / "config.yaml").read_text()
        self.assertEqual(len(re.findall(r"type: Resize", saved)), 2, saved)
        self.assertEqual(saved.count("0.48145466"), 2, saved)
        # The saved one is the same run, and goes on with it; so does the user's with a checkpoint of that.
        again = RunFolder(self.work)
        losses = again.losses()
        self.run_it(config=run / "config.yaml")
        self.assertEqual(RunFolder(self.work).losses(), losses)
        self.run_it("resume_from=auto", "total_epochs=2", config=run / "config.yaml")
        self.run_it("resume_from=auto", "total_epochs=3")

    def test_what_is_no_default_is_another_run(self):
        self.run_it("total_epochs=1")
        config = self.config(transforms=[{"type": "Resize", "size": [224, 224]}, {"type": "ToTensor"}])
        result = self.run_it("resume_from=auto", config=config, status=2)
        self.assertRegex(result.err, r"data\.train\.transforms was not given and is \[\{type: Resize")
        same = self.config(transforms=[{"type": "Resize", "size": [224, 224]}, {"type": "Normalize", **CLIP}])
        self.run_it("resume_from=auto", config=same)

    def test_describe_says_so(self):
        result = call([str(AILAB), "--describe", str(AILAB.parent.parent / "lib/ailab/plugins/libailab_data.so")])
        self.assertDone(result)
        described = json.dumps(json.loads(result.out))
        self.assertIn("without transforms they are resized to 224x224 and normalised by CLIP's mean and std", described)
        self.assertIn("null: those that the dataset takes by default", described)


class NamesThatAreNoText(TestCase):
    def test_the_log_is_utf8(self):
        for split in ("train", "val"):
            for name in (b"caf\xe9", b"tea"):
                folder = os.path.join(os.fsencode(self.folder), split.encode(), name)
                os.makedirs(folder)
                for i in range(2):
                    Image.new("RGB", (8, 8), (100 * i, 5, 5)).save(os.path.join(folder, b"%d.png" % i))
                with open(os.path.join(folder, b"bad.png"), "wb") as file:
                    file.write(b"no image")
        images = {"type": "ImageFolder", "transforms": [{"type": "ToTensor"}]}
        config = mlp_config(self.folder, model={"type": "MLP", "in": 192, "hidden": 4, "out": 2},
                            data={"train": {**images, "root": str(self.folder / "train")},
                                  "val": {**images, "root": str(self.folder / "val")},
                                  "train_dataloader": {"global_batch_size": 2},
                                  "val_dataloader": {"batch_size": 2, "on_error": "skip"}},
                            hooks={"logger": {"type": "LoggerHook", "interval": 1},
                                   "predictions": {"type": "PredictionsHook"}})
        result = subprocess.run(command(config, plugins=["mlp"]), capture_output=True, timeout=60, env=environment())
        text = (self.run_folder().path / "train.log").read_bytes()
        text.decode()
        result.stderr.decode()
        self.assertIn("caf\ufffd", text.decode())
