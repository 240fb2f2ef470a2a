"""The schema that editors are given, by Python's validator: it accepts and refuses what a run does."""
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

BUILD = pathlib.Path(os.environ["AILAB_BUILD"])
SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
MINIMAL = os.environ["MINIMAL_PLUGIN"]  # the template's, whose model some configurations train


class Yaml(yaml.SafeLoader):
    """As ailab and editors read it, by YAML 1.2: `no` is text and 1e-3 a number."""


Yaml.yaml_implicit_resolvers = {}
for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"), ("null", r"null|Null|NULL|~|", "nN~"),
        ("merge", r"<<", "<"), ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)", "-+.0123456789")):
    Yaml.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(f"^({pattern})$"), [*first, ""])
Yaml.add_constructor("tag:yaml.org,2002:float",
                     lambda loader, node: float(loader.construct_scalar(node).lower().replace(".inf", "inf")))


def run(*arguments):
    return subprocess.run([BUILD / "bin" / "ailab-run", *arguments], capture_output=True, text=True, timeout=300)


def schema(*arguments):
    result = run("--json-schema", *arguments)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return json.loads(result.stdout)


SCHEMA = schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

BASE = yaml.load("""
model: {type: mlp, in_features: 16, num_classes: 4}
data:
  train: {type: Synthetic, shape: [16], num_classes: 4, size: 64}
  train_dataloader: {batch_size: 16}
loss: {type: CrossEntropyLoss}
optimizer: {type: SGD, lr: 0.1}
total_epochs: 1
hooks: {logger: {type: LoggerHook}}
""", Yaml)
REMOVED = object()


def changed(path, value):
    """BASE with `value` at the dotted path."""
    config = copy.deepcopy(BASE)
    at = config
    *way, last = path.split(".")
    for key in way:
        at = at.setdefault(key, {})
    if value is REMOVED:
        del at[last]
    else:
        at[last] = value
    return config


ACCEPTED = [
    # sections and modules that are there and empty
    ("dist", None), ("hooks", None), ("loss", None), ("data.val", None), ("resume_from", None), ("clip_grad", None),
    ("data.train_dataloader.sampler", None), ("runtime", {}),
    # text that stands for a value
    ("seed", "${env:SEED,3}"), ("optimizer.lr", "${env:LR,1e-3}"), ("runtime.deterministic", "${env:D,true}"),
    ("optimizer.type", "${env:OPTIMIZER,SGD}"), ("work_dir", "~/runs/${seed}"), ("runtime.dtype", "${env:T,float32}"),
    ("workflow", [["${env:PHASE,train}", "${env:TIMES,1}"]]),
    # forms
    ("workflow", [["train", 1]]), ("workflow", [{"phase": "train", "iters": 500}]),
    ("optimizer", {"one": {"type": "SGD", "lr": 0.1}, "other": {"type": "Adam"}}),
    ("optimizer.type", "ailab_optim/SGD"), ("optimizer.lr", 1), ("total_epochs", 2.0),
    ("model.pretrained", "weights.pth"), ("model.pretrained", {"file": "w.pth", "mapping": {"^a": "b"}}),
    ("hooks.logger.priority", "LOW"), ("hooks.logger.priority", 80), ("hooks.logger.enable", False),
    ("dist.backend", "auto"), ("dist.backend", "gloo"), ("dist.backend", "gloo/gloo"), ("dist.backend", "${env:B,shm}"),
    ("runtime.device", "auto"), ("runtime.device", "cpu"),
    ("clip_grad.norm_type", float("inf")), ("clip_grad.norm_type", "inf"), ("norm_eval", [".*"]), ("work_dir", 2026.10),
    ("paramwise_cfg.custom_keys", {"backbone": {"lr_mult": 0.1, "freeze": True}}),
    ("hooks.metrics", {"type": "MetricHook", "top3": {"type": "Accuracy", "topk": 3, "phases": ["train", "val"]}}),
    ("hooks.metrics", {"type": "MetricHook", "auroc": {"type": "AUROC", "logits": "auto"}}),
    ("hooks.lr", {"type": "LrSchedulerHook", "scheduler": {"type": "SequentialLR", "milestones": [5], "schedulers": [
        {"type": "LinearLR"}, {"type": "CosineAnnealingLR", "T_max": 3}]}}),
    ("hooks.wandb", {"type": "WandbHook", "init_args": {"project": "p", "mode": "disabled", "tags": ["a"],
                                                        "reinit": True}}),
    ("loss.mapping", {"target": "label"}), ("loss.weight", [1, 2.5, 1, 1]), ("loss.ignore_index", None),
    ("data.train.transforms", [{"type": "Resize", "size": 8}, {"type": "Resize", "size": [8, 9]},
                               {"type": "RandomErasing", "value": "random"},
                               {"type": "RandomErasing", "value": [1, 2, 3]}]),
]
REFUSED = [
    ("model", REMOVED), ("data", REMOVED), ("model.type", REMOVED), ("optimizer.type", REMOVED),
    # names
    ("optimiser", {"type": "SGD"}), ("model.hiden", 3), ("data.train_dataloader.batchsize", 3), ("loss.type", "MSE"),
    ("hooks.logger.type", "AccuracyHook"), ("dist.backends", "gloo"), ("dist.backend", "glo"), ("dist.backend", "gloo/shm"), ("runtime.device", "gpu"),
    ("clip_grad.norm", 3), ("clip_grad.norm_type", "infinite"),
    ("hooks.lr", {"type": "LrSchedulerHook"}), ("hooks.lr", {"type": "LrSchedulerHook", "scheduler": {"type": "SGD"}}),
    # types
    ("seed", "three"), ("seed", 1.5), ("optimizer.lr", [0.1]), ("optimizer.nesterov", "no"), ("model.hidden", 3),
    ("loss", "MSELoss"), ("hooks", [{"type": "LoggerHook"}]), ("work_dir", None), ("total_epochs", "ten"),
    ("workflow", ["train", 1]), ("workflow", [["train", 1, 2]]), ("workflow", [["train"]]), ("plugins", "a.so"),
    ("model.pretrained", ["weights.pth"]), ("data.train", [{"type": "Synthetic"}]), ("norm_eval", True),
    ("loss.mapping", ["target"]), ("optimizer", {"one": {"type": "SGD"}, "other": 3}),
    ("hooks.metrics", {"type": "MetricHook", "top1": 3}), ("hooks.wandb", {"type": "WandbHook", "init_args": 3}),
    ("hooks.wandb", {"type": "WandbHook", "init_args": {"projct": "p"}}),
    ("hooks.metrics", {"type": "MetricHook", "auroc": {"type": "AUROC", "logits": "yes"}}),
    ("data.train.transforms", [{"type": "RandomErasing", "value": "white"}]), ("data.train.transforms", {"type": "Pad"}),
    # bounds and choices
    ("seed", -1), ("total_epochs", 0), ("total_epochs", 2e9), ("runtime.threads", 4096), ("dist.timeout", 0),
    ("runtime.dtype", "float16"), ("loss.reduction", "average"), ("loss.label_smoothing", 2),
    ("workflow", [["training", 1]]), ("workflow", [{"phase": "train", "iters": 0}]), ("hooks.logger.priority", "URGENT"),
    ("hooks.logger.priority", 101), ("optimizer.betas", [0.9, 0.99]),
    ("hooks.metrics", {"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["training"]}}),
    ("paramwise_cfg.custom_keys", {"backbone": {"lr_mult": -1}}),
]


class JsonSchema(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-schema-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def complaints(self, config):
        """Of ailab-run, which is also given a key that there is not, so that it does no more than read."""
        path = self.folder / "config.yaml"
        path.write_text(yaml.dump({**config, "nonsense": 1}, sort_keys=False))
        result = run(path)
        self.assertEqual(result.returncode, 2, result.stderr)
        lines = result.stderr.splitlines()
        return [line for line in lines if 'has no key "nonsense"' not in line]

    def test_it_is_a_schema(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        for name in re.findall(r'"#/definitions/([^"]+)"', json.dumps(SCHEMA)):
            self.assertIn(name, SCHEMA["definitions"])

    def test_it_accepts_the_configurations_that_come_along(self):
        files = sorted((SOURCE / "configs").glob("*.yaml"))
        self.assertGreater(len(files), 5)
        validator = jsonschema.Draft7Validator(schema("--plugins", MINIMAL))
        for file in files:
            with self.subTest(file.name):
                validator.validate(yaml.load(file.read_text(), Yaml))

    def test_it_accepts_what_a_run_accepts(self):
        for path, value in ACCEPTED:
            with self.subTest(f"{path}: {value}"):
                config = changed(path, value)
                self.assertEqual([error.message for error in VALIDATOR.iter_errors(config)], [])
                self.assertEqual(self.complaints(config), [])

    def test_it_refuses_what_a_run_refuses(self):
        for path, value in REFUSED:
            with self.subTest(f"{path}: {value}"):
                config = changed(path, value)
                errors = list(VALIDATOR.iter_errors(config))
                self.assertNotEqual(errors, [])
                for error in errors:
                    place = [str(part) for part in error.absolute_path]
                    both = slice(min(len(place), len(path.split("."))))
                    self.assertEqual(place[both], path.split(".")[both], "it is where the mistake is")
                self.assertNotEqual(self.complaints(config), [])

    def test_it_accepts_what_a_run_saves(self):
        path = self.folder / "config.yaml"
        path.write_text(yaml.dump({
            **BASE, "work_dir": str(self.folder / "work"), "clip_grad": {"max_norm": 1.0, "norm_type": float("inf")},
            "hooks": {"logger": {"type": "LoggerHook", "priority": "LOW"}, "metrics": {"type": "MetricHook"},
                      "checkpoint": {"type": "CheckpointHook"}, "wandb": {"type": "WandbHook", "enable": False}}}))
        result = run(path)
        self.assertEqual(result.returncode, 0, result.stderr)
        saved = next((self.folder / "work" / "latest").glob("config.yaml"))
        VALIDATOR.validate(yaml.load(saved.read_text(), Yaml))

    def test_it_tells_an_editor_what_an_option_is(self):
        sgd = SCHEMA["definitions"]["optimizer.ailab_optim.SGD"]
        self.assertEqual(sgd["properties"]["type"], {"enum": ["SGD", "ailab_optim/SGD"]})
        lr = sgd["properties"]["lr"]
        self.assertTrue(lr["description"])
        self.assertEqual(lr["title"], "number, at least 0")
        self.assertEqual(lr["default"], 0.001)
        self.assertEqual(lr["minimum"], 0)
        self.assertIn({"$ref": "#/definitions/optimizer.ailab_optim.SGD"}, SCHEMA["definitions"]["optimizer"]["oneOf"])
        self.assertEqual(SCHEMA["properties"]["runtime"]["properties"]["dtype"]["anyOf"][0],
                         {"enum": ["float32", "float64"]})
        self.assertEqual(SCHEMA["properties"]["total_epochs"]["title"], "integer or null, between 1 and 1000000000")
        self.assertEqual(SCHEMA["properties"]["dist"]["properties"]["backend"]["title"], "auto or the name of a backend")
        self.assertLessEqual({"shm", "gloo", "shm/shm"}, set(SCHEMA["definitions"]["names.backend"]["enum"]))

    def test_it_knows_the_modules_of_users_plugins(self):
        config = changed("data.train_dataloader.sampler", {"type": "InOrder", "file": "order.txt", "stride": 2})
        self.assertFalse(VALIDATOR.is_valid(config))
        validator = jsonschema.Draft7Validator(schema("--plugins", BUILD / "tests/plugins/libfixture_good.so"))
        validator.validate(config)
        config["data"]["train_dataloader"]["sampler"]["stride"] = 0
        self.assertFalse(validator.is_valid(config))


if __name__ == "__main__":
    unittest.main()
