"""One tensor under several names is one parameter, complex parameters are trained and saved, and what
cannot be trained or saved is said before the first step. The right values are torch's and timm's."""
import json
import shutil

import safetensors
import timm.optim
import torch
from safetensors.torch import load_file, save_file

from harness import AILAB, RunFolder, TestCase, call, command, mpirun

EPOCHS, BATCH = 2, 4
# Four numbers and a class each.
ROWS = [
    (2.3382, -0.6629, 0.3949, 0.1465, 1), (-0.131, -1.4827, -0.4875, 1.2747, 0),
    (-0.5125, -0.2868, -0.9067, 0.422, 2), (-1.0434, -0.2973, -0.0309, 0.2687, 0),
    (-1.522, 1.748, 0.8783, -0.5749, 1), (-0.6815, -0.2724, 0.8769, 0.1324, 1),
    (-0.9423, -0.0603, -1.2764, -0.1104, 3), (0.4716, -1.5586, 1.4127, -0.9395, 2),
    (-1.2796, 1.51, -2.3467, 0.8321, 3), (-0.2416, -1.0859, -1.1394, -0.22, 3),
    (-1.8873, -0.01, -1.2582, 1.6449, 3), (-0.952, 1.297, -1.0329, -0.3909, 1),
    (1.7097, -0.6695, 1.0418, -1.7609, 2), (0.1645, -1.1313, -0.589, 1.6925, 3),
    (-0.2586, 0.6317, -2.3261, -0.1741, 0), (0.1954, -0.8929, 1.8347, 0.0972, 0),
    (1.3567, 0.525, -0.1037, 0.7094, 0), (0.0149, -0.5416, -0.1855, 1.8571, 0),
    (-1.4061, 0.7398, 0.9297, 0.1887, 1), (0.0007, 0.2178, 0.28, 0.2476, 0),
]
# What each optimizer is given; torch's and timm's own names.
OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
    "Adam": {"lr": 0.05, "weight_decay": 0.1},
    "AdamW": {"lr": 0.05, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.1},
    "Adadelta": {"lr": 1.0},
    "Adamax": {"lr": 0.05},
    "NAdam": {"lr": 0.05},
    "RAdam": {"lr": 0.05},
    "ASGD": {"lr": 0.1},
    "RMSprop": {"lr": 0.02, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.02},
    "Adafactor": {"lr": 0.1},
    "Muon": {"lr": 0.02, "weight_decay": 0.1},
    "Lion": {"lr": 0.02, "weight_decay": 0.1},
    "LAMB": {"lr": 0.05},
    "LBFGS": {"lr": 0.5, "max_iter": 4},
}


class TiedInTorch(torch.nn.Module):
    def __init__(self, how):
        super().__init__()
        self.fc1 = torch.nn.Linear(4, 4)
        self.how = how
        if how == "parameter":
            self.head = self.fc1.weight
        if how == "module":
            self.fc2 = self.fc1

    def forward(self, x):
        y = torch.relu(self.fc1(x))
        return self.fc1(y) if self.how == "module" else y @ self.fc1.weight.T


class WaveInTorch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.randn(4, 4, dtype=torch.complex128))
        self.b = torch.nn.Parameter(torch.zeros(4))
        self.register_buffer("phase", torch.polar(torch.ones(4), torch.arange(4.0)).to(torch.complex128))

    def forward(self, x):
        return ((x.to(self.w.dtype) * self.phase) @ self.w).abs() + self.b


def optimizers_of(kind, model, options):
    if kind == "Muon":  # torch's takes matrices alone
        matrices = [p for p in model.parameters() if p.dim() == 2]
        others = [p for p in model.parameters() if p.dim() != 2]
        return [torch.optim.Muon(matrices, **options), torch.optim.AdamW(others)]
    made_by = timm.optim if kind in ("Lion", "LAMB") else torch.optim
    return [getattr(made_by, "Lamb" if kind == "LAMB" else kind)(model.parameters(), **options)]


class Base(TestCase):
    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float64)
        self.addCleanup(torch.set_default_dtype, torch.float32)
        self.x = torch.tensor([row[:4] for row in ROWS]).float().double()  # what the data set gives
        self.y = torch.tensor([row[4] for row in ROWS])
        self.table = self.folder / "numbers.txt"
        self.table.write_text("".join(" ".join(map(str, row)) + "\n" for row in ROWS))

    def config(self, name, **sections):
        data = {"type": "Numbers", "file": str(self.table)}
        config = {
            "seed": 1, "work_dir": str(self.folder / name),
            "model": {"type": "Tied"},
            "data": {"train": data, "val": data,
                     "train_dataloader": {"global_batch_size": BATCH, "shuffle": False},
                     "val_dataloader": {"batch_size": BATCH}},
            "loss": {"type": "CrossEntropyLoss"},
            "optimizer": {"type": "SGD", **OPTIMIZERS["SGD"]},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": EPOCHS,
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1},
                      "checkpoint": {"type": "CheckpointHook", "interval": 1}},
            "runtime": {"threads": 1, "dtype": "float64"},
        }
        config.update(sections)
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return path

    def run_model(self, name, ranks=1, status=0, overrides=(), **sections):
        result = mpirun(ranks, command(self.config(name, **sections), overrides,
                                       plugins=["shared_parameters"]))
        self.assertEqual(result.status, status, str(result))
        return result

    def checkpoint(self, name, epoch=EPOCHS):
        return RunFolder(self.folder / name).path / "checkpoints" / f"epoch_{epoch}"

    def weights(self, name, epoch=EPOCHS):
        return self.read(self.checkpoint(name, epoch) / "model.safetensors")

    def read(self, path):
        """As docs/training.md says of complex tensors."""
        found = load_file(path)
        with safetensors.safe_open(path, "pt") as file:
            for key in file.metadata() or {}:
                if key.startswith("ailab.complex/"):
                    name = key.removeprefix("ailab.complex/")
                    found[name] = torch.view_as_complex(found[name])
        return found

    def start(self, model):
        """The model's present weights, as load_from."""
        path = self.folder / "start.pth"
        torch.save(model.state_dict(), path)
        return str(path)

    def train_in_torch(self, model, kind="SGD", clip=None, ema=None):
        """The same run by a plain loop. Returns the averages of the weights, and the norms."""
        optimizers = optimizers_of(kind, model, OPTIMIZERS[kind])
        averages = {n: v.clone() for n, v in model.state_dict().items()}
        norms = []
        for _ in range(EPOCHS):
            for begin in range(0, len(self.x), BATCH):
                x, y = self.x[begin:begin + BATCH], self.y[begin:begin + BATCH]

                def closure():
                    model.zero_grad()
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    loss.backward()
                    return loss

                if kind == "LBFGS":
                    optimizers[0].step(closure)
                else:
                    closure()
                    if clip:
                        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip).item())
                    for optimizer in optimizers:
                        optimizer.step()
                if ema:
                    for n, v in model.state_dict().items():
                        averages[n].lerp_(v, 1 - ema)
        return averages, norms

    def assertSame(self, found, wanted, tolerance=1e-9):
        self.assertEqual(set(found), set(wanted))
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=tolerance, atol=tolerance,
                                       msg=lambda text, name=name: f"{name}: {text}")


class SharedParameters(Base):
    def test_are_trained_as_in_torch_by_every_optimizer(self):
        for kind, options in OPTIMIZERS.items():
            for how in ("parameter", "module") if kind == "SGD" else ("parameter",):
                for ranks in (1, 2):
                    with self.subTest(optimizer=kind, how=how, ranks=ranks):
                        torch.manual_seed(3)
                        model = TiedInTorch(how)
                        name = f"{kind}-{how}-{ranks}"
                        clip = None if kind == "LBFGS" else {"max_norm": 0.3}
                        self.run_model(name, ranks, model={"type": "Tied", "how": how},
                                       load_from=self.start(model), clip_grad=clip,
                                       optimizer={"type": kind, **options})
                        _, norms = self.train_in_torch(model, kind, clip=0.3)
                        # Muon's products are in bfloat16.
                        self.assertSame(self.weights(name), model.state_dict(), 2e-3 if kind == "Muon" else 1e-8)
                        if norms:
                            logged = [r["grad_norm"] for r in RunFolder(self.folder / name).lines("train")]
                            torch.testing.assert_close(torch.tensor(logged), torch.tensor(norms),
                                                       rtol=1e-5, atol=1e-7)

    def test_have_one_state_and_one_average_and_keep_every_name_in_files(self):
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1}, "ema": {"type": "EMAHook", "decay": 0.5}}
        for how, names in (("parameter", {"fc1.weight", "fc1.bias", "head"}),
                           ("module", {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"})):
            for ranks in (1, 2):
                with self.subTest(how=how, ranks=ranks):
                    model = TiedInTorch(how)
                    name = f"ema-{how}-{ranks}"
                    self.run_model(name, ranks, model={"type": "Tied", "how": how},
                                   load_from=self.start(model), hooks=hooks)
                    averages, _ = self.train_in_torch(model, ema=0.5)
                    weights = self.weights(name)
                    self.assertEqual(set(weights), names)
                    self.assertSame(weights, model.state_dict())
                    TiedInTorch(how).load_state_dict(weights)  # strict: all names are there
                    state = load_file(self.checkpoint(name) / "state.safetensors")
                    found = {k.removeprefix("hook.ema/"): v for k, v in state.items() if k.startswith("hook.ema/")}
                    owners = [k for k, _ in model.named_parameters()]  # without the second names
                    self.assertEqual(len(owners), 2)
                    self.assertSame(found, {k: averages[k] for k in owners})
                    self.assertEqual({k for k in state if k.startswith("optimizer/momentum_buffer/")},
                                     {f"optimizer/momentum_buffer/{k}" for k in owners})

    def test_are_counted_once(self):
        self.run_model("counted")
        result = call([str(AILAB), "inspect", str(self.checkpoint("counted"))])
        self.assertDone(result)
        self.assertIn("weights: 3 tensors, 20 numbers", result.out)

    def test_go_on_from_a_checkpoint_bit_for_bit(self):
        sections = dict(optimizer={"type": "AdamW", "lr": 0.05},
                        hooks={"checkpoint": {"type": "CheckpointHook"}, "ema": {"type": "EMAHook"}})
        self.run_model("straight", **sections)
        self.run_model("parts", **{**sections, "total_epochs": 1})
        self.run_model("parts", **sections, resume_from="auto")
        for name in ("model.safetensors", "state.safetensors"):
            straight = load_file(self.checkpoint("straight") / name)
            parts = load_file(self.checkpoint("parts") / name)
            self.assertEqual(set(straight), set(parts))
            for key in straight:
                self.assertTrue(torch.equal(straight[key], parts[key]), key)

    def test_take_the_first_of_two_states_of_an_old_checkpoint(self):
        sections = dict(optimizer={"type": "AdamW", "lr": 0.05})
        self.run_model("straight", **sections)
        self.run_model("old", **sections, total_epochs=1)
        folder = self.checkpoint("old", 1)
        state = load_file(folder / "state.safetensors")
        for key in [k for k in state if k.endswith("/head")]:
            state[key.replace("head", "fc1.weight")] = state[key] + 1
        save_file(state, folder / "state.safetensors")
        model = load_file(folder / "model.safetensors")
        model.pop("head")  # the file noted it as another name
        save_file(model, folder / "model.safetensors", metadata={"format": "pt", "head": "fc1.weight"})
        forget_checksums(folder)
        result = self.run_model("old", **sections, resume_from="auto")
        self.assertIn('"head" is one parameter with fc1.weight; of its 2 states of the optimizer the first '
                      "is taken", result.out + result.err)
        self.assertSame(self.weights("old"), self.weights("straight"), 0)

    def test_options_of_single_parameters_match_either_name(self):
        key = "paramwise_cfg"
        for pattern in ("head", "fc1.weight"):
            with self.subTest(pattern=pattern):
                model = TiedInTorch("parameter")
                name = f"options-{pattern}"
                self.run_model(name, load_from=self.start(model),
                               **{key: {"custom_keys": {pattern: {"lr_mult": 0.5, "decay_mult": 0}}}})
                sgd = torch.optim.SGD([{"params": [model.fc1.weight], "lr": 0.05, "weight_decay": 0},
                                       {"params": [model.fc1.bias]}], **OPTIMIZERS["SGD"])
                for _ in range(EPOCHS):
                    for begin in range(0, len(self.x), BATCH):
                        sgd.zero_grad()
                        torch.nn.functional.cross_entropy(model(self.x[begin:begin + BATCH]),
                                                          self.y[begin:begin + BATCH]).backward()
                        sgd.step()
                self.assertSame(self.weights(name), model.state_dict())
                name = f"frozen-{pattern}"
                model = TiedInTorch("parameter")
                before = model.fc1.weight.detach().clone()
                self.run_model(name, load_from=self.start(model),
                               **{key: {"custom_keys": {pattern: {"freeze": True}}}})
                self.assertTrue(torch.equal(self.weights(name)["head"], before))
                self.assertFalse(torch.equal(self.weights(name)["fc1.bias"], model.fc1.bias))

    def test_contradictions_are_refused(self):
        rows = [
            ("rules", {"paramwise_cfg": {"custom_keys": {"head": {"lr_mult": 0.5}, "fc1.w": {"freeze": True}}}},
             ['paramwise_cfg.custom_keys: "head" and "fc1.weight" are one parameter', "rules.yaml:1:"]),
            ("memory", {"model": {"type": "Tied", "how": "memory"}},
             ['"head" and "fc1.weight" are two tensors in the same memory', "memory.yaml:1:"]),
        ]
        for name, sections, texts in rows:
            for ranks in (1, 2):
                with self.subTest(name, ranks=ranks):
                    result = self.run_model(name, ranks, status=2, **sections)
                    for text in texts:
                        self.assertIn(text, result.err)
                    self.assertFalse((self.folder / name / "latest").exists())

    def test_weights_of_a_file_fit_under_either_name_and_must_agree(self):
        model = TiedInTorch("parameter")
        full = {k: v.detach().clone() for k, v in model.state_dict().items()}
        path = self.folder / "weights.safetensors"
        for names in (["fc1.weight", "fc1.bias"], ["head", "fc1.bias"], list(full)):
            save_file({k: full[k] for k in names}, path)
            result = self.run_model("loaded", load_from=str(path), optimizer={"type": "SGD", "lr": 0.0})
            self.assertIn("2 of the model's 2 tensors", result.out + result.err)
            self.assertNotIn("did not match", result.out + result.err)
            self.assertSame(self.weights("loaded"), full, 0)
            shutil.rmtree(self.folder / "loaded")
        save_file({**full, "head": full["head"] + 1}, path)
        result = self.run_model("loaded", status=2, load_from=str(path))
        self.assertIn('"fc1.weight" and "head" are one tensor of the model, and have different values in the file',
                      result.err)


class Unreached(Base):
    """A parameter that no gradient reaches."""

    def test_is_a_warning_with_its_name(self):
        find = {"ddp": {"type": "DDPHook", "find_unused_parameters": True}}
        for name, ranks, sections, when in (
                ("epoch", 1, {}, "in the first epoch"),
                ("ranks", 2, {"hooks": find}, "in the first epoch, on any rank"),
                ("short", 1, {"total_epochs": None, "total_iters": 3}, "in the whole run")):
            with self.subTest(name):
                result = self.run_model(name, ranks, model={"type": "Tied", "how": "assign"}, **sections)
                text = result.out + result.err
                self.assertEqual(text.count("no gradient reached the parameter fc2.weight " + when), 1, text)

    def test_is_found_after_a_thousand_steps_of_a_long_epoch(self):
        self.table.write_text(self.table.read_text() * 60)  # 1,200 rows
        data = {"type": "Numbers", "file": str(self.table)}
        result = self.run_model("long", model={"type": "Tied", "how": "assign"}, total_epochs=1, hooks={},
                                workflow=[["train", 1]],
                                data={"train": data, "train_dataloader": {"global_batch_size": 1}})
        self.assertIn("no gradient reached the parameter fc2.weight in the first 1000 steps", result.out + result.err)

    def test_nothing_is_said_of_those_that_are_reached_or_frozen(self):
        result = self.run_model("tied")
        self.assertNotIn("no gradient", result.out + result.err)
        result = self.run_model("frozen", model={"type": "Tied", "how": "assign"},
                                paramwise_cfg={"custom_keys": {"fc2.weight": {"freeze": True}}})
        self.assertNotIn("no gradient", result.out + result.err)


class ComplexParameters(Base):
    def test_are_trained_as_in_torch_and_saved(self):
        refused = {"Adafactor", "Muon"}  # by torch, too
        not_in_torch = {"LAMB"}
        for kind in OPTIMIZERS.keys() - refused - not_in_torch:
            for ranks in (1, 2):
                with self.subTest(optimizer=kind, ranks=ranks):
                    torch.manual_seed(3)
                    model = WaveInTorch()
                    name = f"{kind}-{ranks}"
                    clip = None if kind == "LBFGS" else {"max_norm": 0.3}
                    self.run_model(name, ranks, model={"type": "Wave"}, load_from=self.start(model),
                                   clip_grad=clip, optimizer={"type": kind, **OPTIMIZERS[kind]})
                    self.train_in_torch(model, kind, clip=0.3)
                    self.assertSame(self.weights(name), model.state_dict(), 1e-8)

    def test_go_on_from_a_checkpoint_bit_for_bit(self):
        for kind in ("AdamW", "LBFGS", "LAMB"):
            with self.subTest(kind):
                sections = dict(model={"type": "Wave"}, optimizer={"type": kind, **OPTIMIZERS[kind]},
                                runtime={"threads": 1},
                                hooks={"checkpoint": {"type": "CheckpointHook"},
                                       "ema": {"type": "EMAHook", "decay": 0.5}})
                straight, parts = f"straight-{kind}", f"parts-{kind}"
                self.run_model(straight, **sections)
                self.run_model(parts, **{**sections, "total_epochs": 1})
                self.run_model(parts, **sections, resume_from="auto")
                for name in ("model.safetensors", "state.safetensors"):
                    a = self.read(self.checkpoint(straight) / name)
                    b = self.read(self.checkpoint(parts) / name)
                    self.assertEqual(set(a), set(b))
                    for key in a:
                        self.assertTrue(torch.equal(a[key], b[key]), key)
                self.assertEqual(self.weights(straight)["w"].dtype, torch.complex64)

    def test_are_averaged_over_checkpoints(self):
        self.run_model("averaged", model={"type": "Wave"})
        out = self.folder / "mean.safetensors"
        self.assertDone(call([str(AILAB), "average", str(self.checkpoint("averaged", 1)),
                              str(self.checkpoint("averaged", 2)), "-o", str(out)]))
        first, second = self.weights("averaged", 1), self.weights("averaged", 2)
        self.assertFalse(torch.equal(first["w"], second["w"]))
        self.assertSame(self.read(out), {k: (first[k] + second[k]) / 2 for k in first}, 1e-12)

    def test_are_refused_where_no_rule_for_them_is_known(self):
        for kind in ("Adafactor", "Muon"):
            result = self.run_model(kind, status=2, model={"type": "Wave"}, optimizer={"type": kind})
            self.assertIn("parameter w is complex, which this optimizer does not train", result.err)
            self.assertIn(f"{kind}.yaml:1:", result.err)
        result = self.run_model("clip", status=2, model={"type": "Wave"}, clip_grad={"max_value": 0.1})
        self.assertIn('clip_grad.max_value limits real numbers, and parameter "w" is complex', result.err)


class WhatNoFileHolds(Base):
    def test_is_refused_before_the_first_step(self):
        for what, text in (("sparse", 'tensor "graph" is not dense'),
                           ("quantized", 'tensor "codes" is QInt8, which safetensors files cannot hold'),
                           ("twice", 'two tensors are named "scale"')):
            for ranks in (1, 2):
                with self.subTest(what, ranks=ranks):
                    result = self.run_model(what, ranks, status=2, model={"type": "Odd", "what": what},
                                            runtime={"threads": 1})
                    self.assertIn('model "Odd" cannot be saved: ' + text, result.err)
                    self.assertFalse((self.folder / what / "latest").exists())


def forget_checksums(folder):
    """Of files that the test has changed."""
    path = folder / "manifest.json"
    known = json.loads(path.read_text())
    # As checkpoints were when a tied weight had two states.
    manifest = {k: v for k, v in known.items() if k not in ("checksum", "needs")} | {"version": 1}
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        entry.update(size=len(data), crc32c=f"{crc32c(data):08x}")
    path.write_text(json.dumps(manifest))


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


if __name__ == "__main__":
    import unittest
    unittest.main()
