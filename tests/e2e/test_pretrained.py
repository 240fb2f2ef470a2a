"""Runs that begin with the weights of a file: `pretrained` of the model."""
import json
import shutil

import safetensors.torch
import timm
import torch
import torchvision

from harness import TestCase, call, command, mlp_config, mpirun

FROZEN = {"^(?!fc)": {"freeze": True}}  # all but the head


class Pretrained(TestCase):
    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        model = torchvision.models.resnet18()
        model.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)  # Fashion-MNIST is grey
        self.state = model.state_dict()
        self.file = self.folder / "resnet18.pth"
        torch.save(self.state, self.file)

    def config(self, pretrained=None, **sections):
        """Fine-tunes a head of 10 classes for 4 steps."""
        pretrained = pretrained or str(self.file)
        sections = {
            "model": {"type": "resnet18", "in_channels": 1, "num_classes": 10, "pretrained": pretrained},
            "paramwise_cfg": {"custom_keys": FROZEN}, "norm_eval": ["."], "workflow": [["train", 1]],
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1},
                      "checkpoint": {"type": "CheckpointHook"}}} | sections
        path = mlp_config(self.folder, **sections)
        config = json.loads(path.read_text())
        config["data"]["train"]["limit"] = 64
        config["data"]["train_dataloader"] = {"global_batch_size": 16}
        path.write_text(json.dumps(config, indent=1))
        return path

    def log(self):
        return (self.run_folder().path / "train.log").read_text()

    def trained(self, epoch=1):
        return safetensors.torch.load_file(
            self.run_folder().path / "checkpoints" / f"epoch_{epoch}" / "model.safetensors")

    def assertFineTuned(self, weights):
        self.assertEqual(set(weights), set(self.state))
        for name, tensor in weights.items():
            if not name.startswith("fc."):
                self.assertTrue(torch.equal(tensor, self.state[name]), name)
        self.assertEqual(weights["fc.weight"].shape, (10, 512))

    def test_averages_are_taken_as_timm_takes_them(self):
        raw = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in self.state.items()}
        torch.save({"state_dict": raw, "state_dict_ema": self.state}, self.file)
        taken = timm.models.load_state_dict(str(self.file))
        self.assertTrue(torch.equal(taken["conv1.weight"], self.state["conv1.weight"]))
        self.assertDone(call(command(self.config())))
        self.assertIn(f"weights loaded from {self.file} (state_dict_ema, not state_dict): 120 of", self.log())
        self.assertFineTuned(self.trained())

    def test_timms_other_epsilon_is_told(self):
        model = {"type": "mobilenet_v3_small", "in_channels": 1, "num_classes": 10, "pretrained": str(self.file)}
        told = "timm's MobileNetV3 was trained with the epsilon 1e-05"
        theirs = timm.create_model("mobilenetv3_small_100", num_classes=10, in_chans=1)
        self.assertEqual(theirs.bn1.eps, 1e-5)
        torch.save(theirs.state_dict(), self.file)
        self.assertDone(call(command(self.config(model=model, paramwise_cfg={}))))
        self.assertEqual(self.log().count(told), 1)
        mine = self.run_folder().path / "checkpoints/epoch_1/model.safetensors"
        model["pretrained"] = str(mine)
        result = call(command(self.config(model=model, paramwise_cfg={})))
        self.assertDone(result)
        self.assertNotIn(told, result.err)

    def test_fine_tunes_another_number_of_classes(self):
        losses = {}
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                self.assertDone(mpirun(ranks, command(self.config())))
                self.assertIn(
                    f'weights loaded from {self.file}: 120 of the model\'s 122 tensors; "fc" starts '
                    "anew: it has 1000 classes in the file and 10 in the model\n", self.log())
                self.assertNotIn("did not match", self.log())
                self.assertFineTuned(self.trained())
                losses[ranks] = self.run_folder().losses()
        for one, two in zip(losses[1], losses[2], strict=True):
            self.assertAlmostEqual(one, two, places=4)

    def test_takes_the_averages_of_torchs_averaged_model(self):
        # `module.*`, and `n_averaged` beside it; with the state of a loss and a metric, as Lightning saves them.
        model = torchvision.models.resnet18(num_classes=10)
        model.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        averaged = torch.optim.swa_utils.AveragedModel(model)
        averaged.update_parameters(model)
        swa = averaged.state_dict()
        self.assertIn("n_averaged", swa)
        lightning = {"state_dict": {"model." + k: v for k, v in model.state_dict().items()} |
                     {"criterion.weight": torch.ones(10), "val_acc.total": torch.tensor(3)}}
        for state, prefix, beside in ((swa, "module.", "n_averaged"),
                                      (lightning, "model.", "criterion.weight, val_acc.total")):
            with self.subTest(beside):
                torch.save(state, self.file)
                said = f'122 of the model\'s 122 tensors; these are below "{prefix}", beside {beside}\n'
                self.state = model.state_dict()
                config = self.config()
                self.assertDone(call(command(config)))
                self.assertIn(said, self.log())
                self.assertNotIn("did not match", self.log())
                self.assertFineTuned(self.trained())
                result = call([command("")[0], "test", str(config), str(self.file), "data.val.limit=64",
                               "model.pretrained=null"])
                self.assertDone(result)
                self.assertIn(said, result.err)

    def test_takes_a_part_of_a_file(self):
        torch.save({"state_dict": {"module.backbone." + k: v for k, v in self.state.items()
                                   if not k.startswith("fc.")} | {"module.neck.weight": torch.ones(3)}},
                   self.file)
        self.assertDone(call(command(self.config({"file": str(self.file), "prefix": "backbone."}))))
        self.assertIn("120 of the model\'s 122 tensors\n", self.log())
        self.assertIn('pretrained: 2 tensor(s) did not match: "fc.bias" is not in the file; "fc.weight" '
                      "is not in the file", self.log())
        self.assertFineTuned(self.trained())

    def test_going_on_does_not_apply_it_again(self):
        self.assertDone(call(command(self.config())))
        first = self.trained()
        self.file.unlink()
        go_on = ["resume_from=auto", "total_epochs=2"]
        self.assertDone(call(command(self.config(), go_on)))
        self.assertFineTuned(self.trained(2))
        self.assertFalse(torch.equal(self.trained(2)["fc.weight"], first["fc.weight"]))
        self.assertEqual(self.log().count("weights loaded from"), 1)

    def test_a_checkpoint_of_ours_serves_too(self):
        self.assertDone(call(command(self.config())))
        shutil.copytree(self.run_folder().path / "checkpoints" / "epoch_1", self.folder / "first")
        config = self.config(str(self.folder / "first"), workflow=[["train", 1]])
        self.assertDone(call(command(config)))
        self.assertIn("122 of the model\'s 122 tensors\n", self.log())

    def test_mistakes_are_told_with_their_place(self):
        torch.save({"other": torch.ones(1)}, self.folder / "other.pth")
        place = r"config\.yaml:\d+:\d+: pretrained: "
        table = [(str(self.folder / "gone.pth"), place + r".*gone\.pth does not exist; name a "),
                 ({"file": str(self.folder / "gone.pth")}, place + r".*gone\.pth does not exist; name a "),
                 (str(self.folder / "other.pth"),
                  place + r"nothing in .*other\.pth fits the model: the file has other; the model has "
                          r"bn1\.bias, "),
                 ({"file": str(self.file), "prefix": "x."},
                  place + r'no name in .*resnet18\.pth begins with the prefix "x\."; the file has conv1\.')]
        for pretrained, complaint in table:
            for ranks in (1, 2):
                with self.subTest(pretrained, ranks=ranks):
                    result = mpirun(ranks, command(self.config(pretrained)))
                    self.assertEqual(result.status, 2, str(result))
                    self.assertRegex(result.err, complaint)
