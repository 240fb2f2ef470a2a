"""Where EMAHook kept averages, they stand for the trained weights wherever a checkpoint's folder is named."""
import json

import safetensors.torch
import torch

from harness import AILAB, TestCase, call, command, mlp_config


class Averages(TestCase):
    def train(self, **sections):
        hooks = {"ema": {"type": "EMAHook", "decay": 0.9},
                 "checkpoint": {"type": "CheckpointHook", "interval": 1, "save_weights": True},
                 "logger": {"type": "LoggerHook", "interval": 20}, **sections.pop("hooks", {})}
        self.config = mlp_config(self.folder, hooks=hooks, total_epochs=2, **sections)
        self.assertDone(call(command(self.config, plugins=["mlp"])))
        return self.run_folder().path / "checkpoints"

    def average(self, *paths, status=0):
        result = call([str(AILAB), "average", *map(str, paths), "-o", str(self.folder / "mean.safetensors"), "--force"])
        self.assertEqual(result.status, status, str(result))
        return result.out + result.err

    def assertMean(self, files):
        found = safetensors.torch.load_file(self.folder / "mean.safetensors")
        files = [safetensors.torch.load_file(file) for file in files]
        for name, tensor in found.items():
            wanted = torch.stack([file[name].double() for file in files]).mean(0)
            self.assertLess(float((tensor.double() - wanted).abs().max()), 1e-6, name)

    def test_average_takes_what_test_takes(self):
        folder = self.train()
        text = self.average(folder / "epoch_1", folder / "epoch_2")
        self.assertIn("the mean of 2 checkpoints, of the averages of hook.ema, 4 tensors", text)
        # The exported files of save_weights hold the averages.
        self.assertMean([folder / "epoch_1.safetensors", folder / "epoch_2.safetensors"])
        raw = [folder / name / "model.safetensors" for name in ("epoch_1", "epoch_2")]
        self.assertIn("the mean of 2 checkpoints, 4 tensors", self.average(*raw))
        self.assertMean(raw)

    def test_tied_weights_are_averaged_under_all_of_their_names(self):
        rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
        (self.folder / "rows.txt").write_text("".join(f"{' '.join(map(str, row))} {i % 4}\n"
                                                      for i, row in enumerate(rows.tolist())))
        data = {"type": "Numbers", "file": str(self.folder / "rows.txt")}
        self.config = mlp_config(
            self.folder, model={"type": "Tied"}, total_epochs=2,
            data={"train": data, "val": data, "train_dataloader": {"global_batch_size": 8},
                  "val_dataloader": {"batch_size": 40}},
            hooks={"ema": {"type": "EMAHook", "decay": 0.9}, "checkpoint": {"type": "CheckpointHook", "interval": 1}})
        self.assertDone(call(command(self.config, plugins=["shared_parameters"])))
        folder = self.run_folder().path / "checkpoints"
        self.average(folder / "epoch_1", folder / "epoch_2")
        states = [safetensors.torch.load_file(folder / name / "state.safetensors") for name in ("epoch_1", "epoch_2")]
        name, = (name for name in states[0] if name.startswith("hook.ema/") and states[0][name].shape == (4, 4))
        wanted = (states[0][name].double() + states[1][name].double()) / 2
        found = [tensor for tensor in safetensors.torch.load_file(self.folder / "mean.safetensors").values()
                 if tensor.shape == (4, 4)]
        for tensor in found:
            self.assertLess(float((tensor.double() - wanted).abs().max()), 1e-6)
        for path in (folder / "epoch_2", self.folder / "mean.safetensors"):
            words = command(self.config, plugins=["shared_parameters"])
            self.assertDone(call([words[0], "test", str(self.config), str(path), *words[1:3],
                                  "-o", str(self.folder / f"tested_{path.stem}")]))

    def test_averages_and_raw_weights_do_not_mix(self):
        folder = self.train(hooks={"ema": {"type": "EMAHook", "decay": 0.9, "begin": 100}})
        text = self.average(folder / "epoch_1", folder / "epoch_2", status=1)
        self.assertRegex(text, "epoch_2 has averages, of hook.ema, and .*epoch_1 has none; to take the raw weights "
                               "name each folder's model.safetensors")

    def test_load_from_and_pretrained_take_what_was_validated(self):
        folder = self.train()
        validated = self.run_folder().lines("val")[-1]["loss"]
        for key, path, averages in (("load_from", folder / "epoch_2", True),
                                    ("load_from", folder / "epoch_2" / "model.safetensors", False),
                                    ("pretrained", folder / "epoch_2", True)):
            with self.subTest(key=key, path=path.name):
                work = self.folder / f"{key}_{averages}"
                first = {"load_from": str(path)} if key == "load_from" else {
                    "model": {"type": "MLP", "pretrained": str(path)}}
                config = mlp_config(self.folder, work_dir=str(work), workflow=[["val", 1], ["train", 1]], **first,
                                    hooks={"logger": {"type": "LoggerHook", "interval": 20}})
                result = call(command(config, plugins=["mlp"]))
                self.assertDone(result)
                record = [json.loads(line) for line in (work / "latest" / "metrics.jsonl").read_text().splitlines()]
                loss = next(line["loss"] for line in record if line.get("mode") == "val")
                if averages:
                    self.assertAlmostEqual(loss, validated, places=5)
                    self.assertIn("4 of the file's are averages of hook.ema (to take the raw weights name the folder's "
                                  "model.safetensors)", result.err)
                else:
                    self.assertNotAlmostEqual(loss, validated, places=4)
                    self.assertNotIn("averages", result.err)
