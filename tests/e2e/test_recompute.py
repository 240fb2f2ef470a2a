"""runtime.recompute: gradients, running statistics and losses are those of a run without it, to the bit."""
import json
import zipfile

from harness import AILAB, PLUGINS, RunFolder, TestCase, call, command, mpirun

AMP = {"amp": {"type": "AMPHook"}}
SYNC = {"ddp": {"type": "DDPHook", "sync_batch_norm": True}}


def graph_of(file):
    """What a file holds beside the run's configuration, which has the key."""
    if file.suffix == ".onnx":
        return file.read_bytes().split(b"ailab.spec")[0][:-8]  # and its length
    with zipfile.ZipFile(file) as parts:
        return {name.split("/", 1)[1]: parts.read(name) for name in parts.namelist()
                if not name.endswith(("ailab.json", "serialization_id"))}  # the other is a digest of all


class Recompute(TestCase):
    def configuration(self, name, model, shape=(3, 32, 32), size=12, batch=4, hooks=None, val=False,
                      **sections):
        images = {"type": "Synthetic", "size": size, "shape": list(shape)}
        config = {
            "seed": 5, "work_dir": str(self.folder / name), "model": model,
            "data": {"train": images, **({"val": images} if val else {}),
                     "train_dataloader": {"global_batch_size": batch}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.01},
            "workflow": [["train", 1]], "total_epochs": 1, "runtime": {"threads": 1}, "dist": {"timeout": 60},
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1}, "gradients": {"type": "DumpGradients"},
                      **(hooks or {})}, **sections}
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def train(self, config, recompute, ranks):
        result = mpirun(ranks, command(config, [f"runtime.recompute={str(recompute).lower()}"], ["gradients"]))
        self.assertDone(result)
        # Each with a folder of its own.
        run = RunFolder(self.folder / config.stem)
        numbers = [(run.path / f"gradients.rank{rank}.txt").read_text().splitlines() for rank in range(ranks)]
        losses = [{key: value for key, value in line.items() if "loss" in key} for line in run.lines("train")]
        return result, numbers, losses

    def same(self, name, model, blocks, ranks=1, **sections):
        config = self.configuration(name, model, **sections)
        usual, wanted, wanted_losses = self.train(config, False, ranks)
        again, found, losses = self.train(config, True, ranks)
        self.assertNotIn("recompute", usual.err)
        self.assertIn(f"recompute: model \"{model['type']}\" runs {blocks} blocks", again.err)
        self.assertEqual(losses, wanted_losses)
        for rank in range(ranks):
            self.assertEqual(len(found[rank]), len(wanted[rank]))
            self.assertGreater(len(found[rank]), 10)
            for line, other in zip(found[rank], wanted[rank]):
                self.assertEqual(line, other)
        gradients = [line.split() for line in found[0] if ".grad " in line]
        self.assertTrue(any(float(words[2]) > 0 for words in gradients if words[2] != "none"))
        return found

    def test_a_vision_transformer(self):
        self.same("vit", {"type": "vit_b_16", "image_size": 32, "num_classes": 10, "dropout": 0.1,
                          "attention_dropout": 0.1},
                  12, ranks=2, size=6, batch=2, accumulative_counts=2,
                  paramwise_cfg={"custom_keys": {"encoder_layer_0": {"freeze": True}}})

    def test_a_resnet(self):
        resnet = {"type": "resnet18", "num_classes": 10, "small_input": True, "base_channels": 16}
        for name, sections in (("usual", {}), ("bfloat16", {"hooks": AMP}),
                               ("accumulated", {"accumulative_counts": 2, "clip_grad": {"max_norm": 0.1}})):
            with self.subTest(name):
                found = self.same(name, resnet, 8, ranks=2, **sections)
                counts = [line.split() for line in found[0] if "layer1.0.bn1.num_batches_tracked" in line]
                self.assertEqual([float(words[2]) for words in counts], list(range(1, len(counts) + 1)))

    def test_synchronised_batch_norms(self):
        resnet = {"type": "resnet18", "num_classes": 10, "small_input": True, "base_channels": 16}
        for name, size in (("one_a_rank", 8), ("a_rank_without_samples", 9)):
            with self.subTest(name):
                found = self.same(name, resnet, 8, ranks=2, size=size, batch=2, hooks=SYNC)
                statistics = [[line for line in rank if "running" in line or "batches" in line] for rank in found]
                self.assertEqual(*statistics)

    def test_the_other_image_models(self):
        small = {"num_classes": 10}
        for model, blocks in (("mobilenet_v2", 17), ("mobilenet_v3_small", 11), ("efficientnet_b0", 16),
                              ("convnext_tiny", 18), ("labresnet18", 8)):
            with self.subTest(model):
                self.same(model, {"type": model, **small}, blocks, size=4, batch=2)

    def test_a_model_with_a_step_of_its_own(self):
        self.same("own", {"type": "BlockPair"}, 8, ranks=2, shape=[8], loss=None,
                  optimizer={"first": {"type": "SGD", "lr": 0.1}, "second": {"type": "SGD", "lr": 0.1}})

    def test_a_model_without_blocks_is_warned_of(self):
        config = self.configuration("mlp", {"type": "mlp", "in_features": 8}, shape=[8])
        result, *_ = self.train(config, True, 2)
        self.assertIn('runtime.recompute has no effect: model "mlp" runs no block', result.err)

    def test_what_is_exported_does_not_depend_on_it(self):
        config = self.configuration("exported", {"type": "resnet18", "num_classes": 10, "base_channels": 16}, size=4,
                                    hooks={"checkpoint": {"type": "CheckpointHook"}}, val=True)
        self.train(config, True, 1)
        for kind in ("onnx", "torchscript"):
            files = []
            for recompute in ("true", "false"):
                file = self.folder / f"{recompute}.{kind}"
                result = call([str(AILAB), "export", str(config), "latest", f"runtime.recompute={recompute}", "--plugins",
                               str(PLUGINS / "libgradients.so"), "--to", kind, "-o", str(file)])
                self.assertDone(result)
                self.assertNotIn("recompute:", result.err)
                files.append(graph_of(file))
            self.assertTrue(files[0] == files[1], kind)
