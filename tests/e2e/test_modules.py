"""The general case of each kind: several inputs and outputs, several loss terms, a model that owns its
step."""
import json
import struct

from harness import AILAB, PLUGINS, TestCase, RunFolder, call, command, mpirun, mlp_config

LOGGER = {"type": "LoggerHook", "interval": 1}


class Modules(TestCase):
    def run_ranks(self, ranks, plugins, **sections):
        folder = self.folder / f"{ranks}"
        folder.mkdir()
        result = mpirun(ranks, command(mlp_config(folder, **sections), plugins=plugins))
        self.assertDone(result)
        return RunFolder(folder / "work")

    def compare(self, one, two, keys, mode):
        a, b = one.lines(mode), two.lines(mode)
        self.assertGreater(len(a), 0)
        self.assertEqual(len(a), len(b))
        for x, y in zip(a, b):
            for key in keys:
                self.assertAlmostEqual(x[key], y[key], delta=1e-9 * max(1, abs(x[key])), msg=key)

    def exports_its_weights_alone(self, folder):
        def export(kind, to):
            return call([str(AILAB), "export", str(folder / "config.yaml"), "latest", "--plugins",
                         str(PLUGINS / "libtwo_inputs.so"), "--to", kind, "-o", str(folder / to)])

        for kind in ("safetensors", "pth"):
            result = export(kind, f"model.{kind}")
            self.assertDone(result)
            self.assertIn("every tensor reads back as it is", result.out + result.err)
            inspected = call([str(AILAB), "inspect", str(folder / f"model.{kind}")])
            self.assertIn("shared.weight", inspected.out)
        for kind in ("onnx", "torchscript", "artifact"):
            result = export(kind, "refused")
            self.assertEqual(result.status, 2, str(result))
            self.assertIn('model "PairNet" takes a and b; infer, and export to onnx, torchscript and artifact, know '
                          "models of one input yet", result.err)
            self.assertFalse((folder / "refused").exists())
        (folder / "x.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        result = call([str(AILAB), "infer", str(folder / "config.yaml"), "latest", str(folder / "x.safetensors"),
                       "--plugins", str(PLUGINS / "libtwo_inputs.so")])
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('model "PairNet" takes a and b; infer', result.err)

    def test_several_inputs_outputs_and_loss_terms(self):
        sections = dict(
            model={"type": "PairNet", "mapping": {"a": "left", "b": "right"},
                   "output_keys": ["scores", "length"]},
            data={"train": {"type": "PairDataset", "size": 203}, "val": {"type": "PairDataset", "size": 77},
                  "train_dataloader": {"global_batch_size": 16}, "val_dataloader": {"batch_size": 10}},
            loss={"type": "PairLoss", "mapping": {"logits": "scores"}, "balance": 0.5},
            runtime={"dtype": "float64"},
            total_epochs=3,
            hooks={"logger": LOGGER, "checkpoint": {"type": "CheckpointHook"},
                   "metrics": {"type": "MetricHook",
                               "length": {"type": "MeanLength", "phases": ["val"],
                                          "mapping": {"value": "length", "names": "name"}},
                               "top1": {"type": "Accuracy", "topk": 1,
                                        "mapping": {"pred": "scores", "label": "class"}}}})
        one = self.run_ranks(1, ["two_inputs"], **sections)
        two = self.run_ranks(2, ["two_inputs"], **sections)
        self.exports_its_weights_alone(self.folder / "1")
        self.compare(one, two, ["loss", "class", "distance"], "train")
        self.compare(one, two, ["loss", "class", "distance", "length", "length_count", "top1"], "val")
        last = one.lines("val")[-1]
        self.assertEqual(last["length_count"], 77)
        self.assertAlmostEqual(last["loss"], last["class"] + last["distance"], places=9)
        self.assertLess(last["loss"], one.lines("val")[0]["loss"])
        # The loss's own parameter was trained and is in the checkpoint.
        state = two.path / "checkpoints" / "epoch_3" / "state.safetensors"
        header = read_header(state)
        names = [name for name in header if "log_scale" in name and "param" in name]
        self.assertEqual(len(names), 1, header.keys())
        begin, end = header[names[0]]["data_offsets"]
        self.assertNotEqual(read_data(state)[begin:end], bytes(end - begin))

    def test_a_model_that_owns_its_step(self):
        sections = dict(
            model={"type": "LineGAN"}, loss=None,
            data={"train": {"type": "Points"}, "train_dataloader": {"global_batch_size": 32}},
            optimizer={"generator": {"type": "Adam", "lr": 0.01},
                       "discriminator": {"type": "SGD", "lr": 0.05}},
            workflow=[["train", 1]], total_epochs=4, runtime={"dtype": "float64"},
            hooks={"logger": LOGGER, "checkpoint": {"type": "CheckpointHook", "interval": 2}})
        one = self.run_ranks(1, ["gan"], **sections)
        for ranks in (2, 4):  # 300 = 9 batches of 32 and one of 12
            several = self.run_ranks(ranks, ["gan"], **sections)
            self.compare(one, several, ["loss_d", "loss_g"], "train")
        checkpoint = one.path / "checkpoints" / "epoch_4"
        names = read_header(checkpoint / "model.safetensors")
        self.assertIn("generator.0.weight", names)
        self.assertIn("discriminator.2.bias", names)
        state = json.loads((checkpoint / "state.json").read_text())
        self.assertIn('"steps": 40', json.dumps(state))
        self.assertTrue(any(n.startswith("optimizer.generator/") for n in
                            read_header(checkpoint / "state.safetensors")))


def read_header(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    return header


def read_data(path):
    raw = path.read_bytes()
    return raw[8 + struct.unpack("<Q", raw[:8])[0]:]


class Regression(TestCase):
    """What no classification is trains with the configuration that a classification has."""

    CONFIG = dict(
        model={"type": "FaultyModel"}, loss={"type": "MSELoss"}, total_epochs=None, total_iters=30,
        data={"train": {"type": "FaultyDataset"}, "val": {"type": "FaultyDataset", "size": 100},
              "train_dataloader": {"batch_size": 8}, "val_dataloader": {"batch_size": 30}},
        workflow=[{"phase": "train", "iters": 15}, {"phase": "val"}],
        hooks={"metrics": {"type": "MetricHook"}, "logger": LOGGER, "checkpoint": {"type": "CheckpointHook"}})

    def test_default_metrics_are_left_out_where_targets_are_no_classes(self):
        for ranks in (1, 2):
            folder = self.folder / str(ranks)
            folder.mkdir()
            result = mpirun(ranks, command(mlp_config(folder, **self.CONFIG), plugins=["faults"]))
            self.assertDone(result)
            self.assertEqual(result.err.count("no accuracy is computed"), 1, result.err)
            self.assertNotIn("top1", RunFolder(folder / "work").lines("val")[-1])

    def test_a_failure_right_after_an_epoch_does_not_lose_its_checkpoint(self):
        for ranks in (1, 2):
            folder = self.folder / str(ranks)
            folder.mkdir()
            config = dict(self.CONFIG, model={"type": "FaultyModel", "how": "throw", "rank": 0, "call": 17})
            result = mpirun(ranks, command(mlp_config(folder, **config), plugins=["faults"]))
            self.assertNotEqual(result.status, 0)
            run = RunFolder(folder / "work")
            saved = [p.name for p in (run.path / "checkpoints").iterdir()]
            self.assertEqual(len(saved), 1, result.err)
            self.assertTrue((run.path / "checkpoints" / saved[0] / "manifest.json").is_file(), saved)
            self.assertFalse(".tmp-" in saved[0])
            self.assertTrue((folder / "work" / "last_checkpoint").read_text().strip().endswith(saved[0]))

    def test_a_metric_that_cannot_be_bound_is_refused_before_the_run(self):
        hooks = {"metrics": {"type": "MetricHook",
                             "top1": {"type": "Accuracy", "topk": 1, "mapping": {"output": "nix"}}}}
        result = call(command(mlp_config(self.folder, hooks=hooks), plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r'config\.yaml:\d+:\d+: metric top1 \(Accuracy\) takes "output" from field "nix"')
        self.assertFalse((self.work / "latest" / "metrics.jsonl").exists())

    def test_more_output_keys_than_outputs_are_refused(self):
        config = mlp_config(self.folder, model={"type": "MLP", "output_keys": ["output", "more"]})
        result = call(command(config, plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r'config\.yaml:\d+:\d+: output_keys names 2 outputs \(output, more\), '
                                     r'but model "MLP" returns 1 \(output\)')
