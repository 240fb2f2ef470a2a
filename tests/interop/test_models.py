"""The built-in models against torchvision's: names, shapes and order of their tensors, first values,
outputs and gradients.

    python test_models.py <models_tool> [long] [unittest's arguments]

Python draws weights, computes with them and writes all of it; the tool loads the weights as
`pretrained` does and compares. `long` compares all models in float64 too, and their gradients in
both modes.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

import safetensors.torch
import timm
import torch

from reference_models import OTHERS, TORCHVISION, quiet, torchvision_model

TOOL = sys.argv.pop(1)
LONG = sys.argv[1:2] == ["long"] and bool(sys.argv.pop(1))

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
LARGE = 60e6  # parameters
# One of each family is computed in the short test, in float64 too.
FAMILIES = ["resnet18", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
              "efficientnet_b0", "convnext_tiny", "vit_b_32"]

TIMM = {"resnet50": "resnet50", "wide_resnet50_2": "wide_resnet50_2", "mobilenet_v2": "mobilenetv2_100",
        "mobilenet_v3_small": "mobilenetv3_small_100", "mobilenet_v3_large": "mobilenetv3_large_100",
        "efficientnet_b0": "efficientnet_b0", "convnext_tiny": "convnext_tiny", "convnext_base": "convnext_base",
        "vit_b_16": "vit_base_patch16_224", "vit_b_32": "vit_base_patch32_224"}


def shake(model):
    """Gives tensors that begin as a constant (biases, statistics, ViT's head, ConvNeXt's scale)
    values that a mistake would show."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("num_batches_tracked"):
            continue
        first = tensor.detach().flatten()[0]
        if not torch.all(tensor == first):
            continue
        with torch.no_grad():
            if first == 1 or name.endswith("layer_scale"):
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.normal_(std=0.1)


class ModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tool = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                    encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.tool.stdin.close()
        assert cls.tool.wait() == 0
        cls.tool.stdout.close()

    def ask(self, **request):
        """The lines of the answer, each split at tabs."""
        print(json.dumps(request), file=self.tool.stdin, flush=True)
        lines = []
        while not lines or lines[-1][0] not in ("ok", "error"):
            text = self.tool.stdout.readline()
            self.assertTrue(text, "the tool has ended")
            lines.append(text.rstrip("\n").split("\t"))
        self.assertEqual(lines.pop(), ["ok"])
        return lines


class Passes(ModelTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.weights = pathlib.Path(folder.name) / "weights.pth"
        self.expected = pathlib.Path(folder.name) / "expected.safetensors"

    def expect(self, model, shape, gradients_in, batch):
        """Computes with the reference, and writes what it used and got."""
        dtype = next(model.parameters()).dtype
        torch.save(model.state_dict(), self.weights)
        tensors = {"input": torch.randn(batch, *shape, dtype=dtype)}
        for mode in ("eval", "train"):
            model.train(mode == "train")
            model.zero_grad()
            torch.manual_seed(7)
            output = model(tensors["input"])
            tensors[f"{mode}/output"] = output.detach()
            if mode not in gradients_in:
                continue
            tensors[f"{mode}/has_gradients"] = torch.ones(1)
            tensors.setdefault("cotangent", torch.randn_like(output))
            (output * tensors["cotangent"]).sum().backward()
            tensors |= {f"{mode}/gradient/{n}": p.grad for n, p in model.named_parameters()}
            tensors |= {f"{mode}/buffer/{n}": b.clone() for n, b in model.named_buffers()
                        if b.is_floating_point()}
        safetensors.torch.save_file(tensors, self.expected)
        self.assertGreater(tensors["train/output"].std(), 0.01, "the outputs are all the same")
        return set(tensors) - {"input", "cotangent", "eval/has_gradients", "train/has_gradients"}

    def assertSame(self, options, model, shape, gradients_in=("eval", "train"), channels_last=False,
                   batch=2):
        dtype = next(model.parameters()).dtype
        names = self.expect(model, shape, gradients_in, batch)
        (_, loaded), *lines = self.ask(
            command="compare", model=options, dtype=str(dtype).removeprefix("torch."),
            weights=str(self.weights), expected=str(self.expected), channels_last=channels_last,
            modes=["eval", "train"], seed=7)
        count = len(model.state_dict())
        self.assertEqual(loaded, f"weights loaded from {self.weights}: {count} of the model's {count} tensors")
        found = {name: float(value) for _, name, value in lines}
        self.assertEqual(names, set(found))
        wrong = {n: d for n, d in found.items() if not d <= TOLERANCE[dtype]}
        self.assertFalse(wrong, f"relative differences above {TOLERANCE[dtype]}")

    def compare(self, name, dtype, **arguments):
        torch.manual_seed(1)
        options = TORCHVISION[name] | quiet(name)
        model = torchvision_model(name, options)
        shake(model)
        large = sum(p.numel() for p in model.parameters()) > LARGE
        size = options.get("image_size", 64)
        self.assertSame({"type": name} | options, model.to(dtype), (3, size, size),
                        ("train",) if large and not LONG else ("eval", "train"), **arguments)

    def test_outputs_and_gradients_in_float32(self):
        for name in TORCHVISION if LONG else [*FAMILIES, "resnet50", "vit_b_16"]:
            with self.subTest(name):
                self.compare(name, torch.float32)

    def test_outputs_and_gradients_in_float64_in_the_order_of_memory_that_runs_use(self):
        for name in TORCHVISION if LONG else FAMILIES:
            with self.subTest(name):
                self.compare(name, torch.float64, channels_last=True)

    def test_models_that_torchvision_does_not_have(self):
        for name, (options, make, shape) in OTHERS.items():
            for dtype in TOLERANCE:
                with self.subTest(name, dtype=dtype):
                    torch.manual_seed(1)
                    model = make()
                    shake(model)
                    self.assertSame(options, model.to(dtype), shape)

    def test_files_of_timm_load_by_its_own_names(self):
        for name, timm_name in TIMM.items():
            if not LONG and name not in FAMILIES:
                continue
            with self.subTest(name):
                torch.manual_seed(1)
                options = TORCHVISION[name] | quiet(name)
                size = options.get("image_size", 64)
                model = timm.create_model(timm_name, **({"img_size": size} if "image_size" in options else {}))
                for module in model.modules():
                    if name.startswith("mobilenet_v3") and isinstance(module, torch.nn.BatchNorm2d):
                        module.eps = 0.001  # torchvision's; timm's is 1e-5
                shake(model)
                self.assertSame({"type": name} | options, model, (3, size, size), gradients_in=())

    def test_what_is_dropped_at_random(self):
        """The same numbers are drawn in the same order, so even these passes are equal."""
        table = [("mobilenet_v2", {"dropout": 0.4}), ("mobilenet_v3_small", {"dropout": 0.4}),
                 ("efficientnet_b0", {"dropout": 0.4, "stochastic_depth_prob": 0.7}),
                 ("efficientnet_b0", {}), ("convnext_tiny", {}),
                 ("convnext_tiny", {"stochastic_depth_prob": 1.0}),
                 ("vit_b_32", {"image_size": 64, "dropout": 0.2, "attention_dropout": 0.3})]
        for name, options in table:
            with self.subTest(name, **options):
                torch.manual_seed(1)
                model = torchvision_model(name, options)
                shake(model)
                size = options.get("image_size", 64)
                # Torchvision's ViT draws in another order of memory, where a batch has several.
                self.assertSame({"type": name} | options, model.double(), (3, size, size),
                                batch=1 if name.startswith("vit") else 2)


class Tensors(ModelTest):
    """Names, shapes, order, and how the first values are distributed."""

    SEEDS = [1, 2, 3]
    MOMENTS = ["mean", "deviation", "kurtosis", "least", "greatest"]

    def ours(self, options, seeds, moments=False):
        return [(kind, name, shape, dict(zip(self.MOMENTS, map(float, values))))
                for kind, name, shape, *values in self.ask(command="state", model=options, seeds=seeds,
                                                           moments=moments)]

    def assertSameTensors(self, ours, model):
        parameters = {name for name, _ in model.named_parameters()}
        self.assertEqual(
            [("parameter" if name in parameters else "buffer", name, str(list(tensor.shape)))
             for name, tensor in model.state_dict().items()],
            [(kind, name, shape) for kind, name, shape, _ in ours])

    def assertSameDistribution(self, name, tensors, ours):
        values = torch.cat([t.detach().flatten() for t in tensors]).double()
        values = values[values != -2]  # what trunc_normal_ makes of the lowest uniform number
        mean, deviation = values.mean().item(), values.std(correction=0).item()
        if deviation == 0:
            self.assertEqual([ours["least"], ours["greatest"]], [mean, mean], name)
            return
        n = len(values)
        # Six standard errors of the difference of two samples.
        self.assertAlmostEqual(ours["mean"], mean, delta=6 * deviation * math.sqrt(2 / n), msg=name)
        kurtosis = ((values - mean) ** 4).mean().item() / deviation**4
        self.assertAlmostEqual(ours["deviation"] / deviation, 1,
                               delta=6 * math.sqrt(2 * (kurtosis - 1) / 4 / n), msg=name)
        if n > 1000:  # 3 for normal numbers, 1.8 for uniform ones
            self.assertAlmostEqual(ours["kurtosis"], kurtosis, delta=6 * math.sqrt(2 * 96 / n), msg=name)

    def test_tensors_and_first_values(self):
        small = {name: [{}] for name in FAMILIES} | {"resnet18": [{}, {"zero_init_residual": True}],
                                                       "resnet50": [{}, {"zero_init_residual": True}]}
        for name in TORCHVISION:
            # The largest have the distributions of their smaller sisters.
            for more in small.get(name, [{}] if LONG else []):
                with self.subTest(name, **more):
                    options = TORCHVISION[name] | more
                    models = []
                    for seed in self.SEEDS:
                        torch.manual_seed(100 + seed)
                        models.append(torchvision_model(name, options).state_dict())
                    ours = self.ours({"type": name} | options, self.SEEDS, moments=True)
                    self.assertSameTensors(ours, torchvision_model(name, options))
                    for _, tensor, _, moments in ours:
                        self.assertSameDistribution(tensor, [m[tensor] for m in models], moments)

    def test_tensors_of_all_with_default_options(self):
        for name in TORCHVISION:
            with self.subTest(name):
                with torch.device("meta"):
                    model = torchvision_model(name, {})
                self.assertSameTensors(self.ours({"type": name}, [1]), model)

    def test_tensors_of_those_that_torchvision_does_not_have(self):
        for name, (options, make, _) in OTHERS.items():
            with self.subTest(name):
                self.assertSameTensors(self.ours(options, [1]), make())


if __name__ == "__main__":
    unittest.main(verbosity=2)
