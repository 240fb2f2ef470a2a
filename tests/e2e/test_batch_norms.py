"""Batch norms over several ranks: what torch gives on one process, for any number of ranks; and what no batch norm can
train on."""
import itertools
import json
import unittest

import numpy
import torch
from safetensors.torch import load_file

from harness import RunFolder, TestCase, command, mpirun

BY_DEFAULT = {"ddp": {"type": "DDPHook", "sync_batch_norm": True}}
SYNC = {"ddp": {"type": "DDPHook", "sync_batch_norm": True, "find_unused_parameters": True}}


def rows(samples, columns, shift=0):
    place = numpy.arange(samples)[:, None], numpy.arange(columns)[None, :]
    return numpy.round(2 * numpy.sin(12.9898 * (place[0] + 1 + shift) + 78.233 * (place[1] + 1) ** 2), 6)


class Normed(torch.nn.Module):
    """The plugin's model of that name."""

    def __init__(self, norm="batch1d", tracks=True, cumulative=False):
        super().__init__()
        momentum = None if cumulative else 0.1
        self.kind = norm
        self.fc1 = torch.nn.Linear(3, 12)
        self.norm = {"batch1d": lambda: torch.nn.BatchNorm1d(12, momentum=momentum, track_running_stats=tracks),
                     "batch2d": lambda: torch.nn.BatchNorm2d(3, momentum=momentum, track_running_stats=tracks),
                     "instance2d": lambda: torch.nn.InstanceNorm2d(3, affine=True)}[norm]()
        self.fc2 = torch.nn.Linear(12, 2)

    def forward(self, x):
        y = self.fc1(x)
        y = self.norm(y) if self.kind == "batch1d" else self.norm(y.view(-1, 3, 2, 2)).flatten(1)
        return self.fc2(torch.tanh(y))

    def loss(self, x, y):
        return torch.nn.functional.mse_loss(self(x), y)


class GradientPenalty(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.fc2 = torch.nn.Linear(3, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 1)

    def loss(self, x, _):
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            y = self.fc2(torch.tanh(self.norm(self.fc1(x))))
            return torch.autograd.grad(y.sum(), x, create_graph=True)[0].square().sum(1).mean()


def train_in_torch(model, train, val, batch, epochs=2):
    """The losses of the steps and of the validations, and the state at the end."""
    with torch.no_grad():  # in float32, as a plugin's model is made
        for parameter in model.parameters():
            values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 1.3 + 0.4)
            parameter.copy_(values.view_as(parameter))
    model = model.double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps, validations = [], []
    for _ in range(epochs):
        model.train()
        for part in torch.tensor(train).split(batch):
            optimizer.zero_grad()
            loss = model.loss(part[:, :3], part[:, 3:])
            loss.backward()
            optimizer.step()
            steps.append(loss.item())
        model.eval()
        with torch.no_grad():
            validations.append(sum(len(part) * model.loss(part[:, :3], part[:, 3:]).item()
                                   for part in torch.tensor(val).split(4)) / len(val))
    return steps, validations, model.state_dict()


class Norms(TestCase):
    def start(self, name, ranks=1, samples=24, batch=8, val=16, status=0, hooks=SYNC, loader=None, train=None,
              **sections):
        folder = self.folder / name
        folder.mkdir()
        data = {"type": "Rows"}
        for phase, numbers in (("train", rows(samples, 5)), ("val", rows(val, 5, shift=100))):
            numpy.savetxt(folder / f"{phase}.txt", numbers, "%.6f")
        config = {
            "seed": 1, "work_dir": str(folder / "work"), "model": {"type": "Normed"},
            "data": {"train": {**data, "file": str(folder / "train.txt"), **(train or {})},
                     "val": {**data, "file": str(folder / "val.txt")},
                     "train_dataloader": {"global_batch_size": batch, "shuffle": False, **(loader or {})},
                     "val_dataloader": {"batch_size": 4}},
            "loss": {"type": "MSELoss"}, "optimizer": {"type": "SGD", "lr": 0.1},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": 2,
            "runtime": {"dtype": "float64", "threads": 1}, "dist": {"timeout": 30},
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1}, "checkpoint": {"type": "CheckpointHook"},
                      **hooks},
            **sections}
        path = folder / "config.yaml"
        path.write_text(json.dumps(config, indent=1))
        result = mpirun(ranks, command(path, plugins=["rows"]))
        self.assertEqual(result.status, status, str(result))
        return result, RunFolder(folder / "work") if (folder / "work" / "latest").exists() else None

    @staticmethod
    def losses(run, mode):
        return [line["loss"] for line in run.lines(mode) if "loss" in line]  # none of a batch that is all broken

    def assertFollows(self, run, steps, validations, state):
        numpy.testing.assert_allclose(self.losses(run, "train"), steps, rtol=1e-9)
        numpy.testing.assert_allclose(self.losses(run, "val"), validations, rtol=1e-9)
        found = load_file(run.path / "checkpoints" / "epoch_2" / "model.safetensors")
        self.assertEqual(sorted(found), sorted(state))
        for name in state:
            numpy.testing.assert_allclose(found[name], state[name], rtol=1e-9, atol=1e-12, err_msg=name)

    def assertSameRun(self, run, other):
        self.assertFollows(run, self.losses(other, "train"), self.losses(other, "val"),
                           load_file(other.path / "checkpoints" / "epoch_2" / "model.safetensors"))


class Synchronised(Norms):
    def test_equal_torch_on_one_process(self):
        one_d = {"norm": "batch1d"}
        table = [
            ("whole batches", one_d, 24, 8, 16, (1, 2, 4)),
            ("one sample a rank", one_d, 8, 4, 8, (4,)),
            ("one sample a rank at the end", one_d, 10, 4, 10, (2,)),
            ("ranks without samples", one_d, 10, 4, 10, (4,)),
            ("cumulative statistics", {**one_d, "cumulative": True}, 10, 4, 10, (1, 2, 4)),
            ("no running statistics", {**one_d, "tracks": False}, 10, 4, 16, (2, 4)),
            ("no running statistics, uneven val", {"norm": "batch2d", "tracks": False}, 24, 8, 10, (1, 2)),
            ("instance norm", {"norm": "instance2d"}, 24, 8, 16, (2,)),
            ("instance norm, ranks without samples", {"norm": "instance2d"}, 10, 4, 16, (4,)),
            ("one image of four pixels", {"norm": "batch2d"}, 3, 1, 8, (1,)),
            ("one image, and a rank without", {"norm": "batch2d"}, 5, 2, 8, (2,)),
        ]
        for name, options, samples, batch, val, worlds in table:
            wanted = train_in_torch(Normed(**options), rows(samples, 5), rows(val, 5, shift=100), batch)
            both = ("one sample a rank", "ranks without samples")
            for ranks, hooks in itertools.product(worlds, (SYNC, BY_DEFAULT) if name in both else (SYNC,)):
                with self.subTest(f"{name}, np {ranks}", hooks=hooks):
                    _, run = self.start(f"{name}_{ranks}_{len(hooks['ddp'])}".replace(" ", "_"), ranks, samples, batch,
                                        val, hooks=hooks, model={"type": "Normed", **options})
                    self.assertFollows(run, *wanted)

    def test_second_derivatives_are_those_of_torch(self):
        wanted = train_in_torch(GradientPenalty(), rows(10, 5), rows(8, 5, shift=100), 4)
        for ranks in (1, 2, 4):
            with self.subTest(f"np {ranks}"):
                _, run = self.start(f"penalty_{ranks}", ranks, 10, 4, 8, model={"type": "GradientPenalty"},
                                    loss={"type": "MeanOutput"})
                self.assertFollows(run, *wanted)

    def test_ranks_without_samples_equal_one_rank(self):
        classes = {"out": 2, "classes": True}
        weighted = {"type": "CrossEntropyLoss", "weight": [1.0, 3.0]}
        table = {
            "accumulation": {"accumulative_counts": 2},
            "a loss with weights": {"loss": weighted},
            "a loss with weights, accumulation": {"loss": weighted, "accumulative_counts": 2},
            "several evaluations a step": {"optimizer": {"type": "LBFGS", "max_iter": 3}},
            "broken samples": {"train": {"broken": [0, 1, 4]}},
            "a whole batch of broken samples": {"train": {"broken": [4, 5, 6, 7]}},
            "a step of its own": {"model": {"type": "TwoSteps"},
                                  "optimizer": {"first": {"type": "SGD", "lr": 0.1},
                                                "second": {"type": "SGD", "lr": 0.1}}},
        }
        for name, sections in table.items():
            runs = {}
            if "loss" in sections:
                sections = {**sections, "workflow": [["train", 1]], "train": classes}
            with self.subTest(name):
                for ranks in (1, 4):
                    _, runs[ranks] = self.start(f"{name}_{ranks}".replace(" ", "_"), ranks, 10, 4, 8, **sections)
                self.assertSameRun(runs[4], runs[1])


class OneValue(Norms):
    """One value a channel has no variance."""

    def test_refused_before_the_first_step(self):
        one_d = {"type": "Normed"}
        last = "the last batch of an epoch (%d samples in batches of 4) leaves 1 sample%s, one value a channel for a " \
               "batch norm, which cannot train on it; set drop_last: true, or another batch size%s"
        sync = ", or sync_batch_norm: true in DDPHook"
        table = [
            ("last", one_d, 1, 9, 4, {}, last % (9, "", "")),
            ("untracked", {**one_d, "tracks": False}, 1, 9, 4, {}, last % (9, "", "")),
            ("two ranks", one_d, 2, 10, 4, {}, last % (10, " to a rank", sync)),
            ("one rank has it", one_d, 2, 11, 4, {}, last % (11, " to a rank", sync)),
            ("synchronised", one_d, 2, 9, 4, SYNC, last % (9, "", "")),
            ("all", one_d, 4, 8, 4, {}, "a batch of 4 leaves 1 sample to a rank, "),
            ("a step of its own", {"type": "TwoSteps"}, 1, 9, 4, {}, last % (9, "", "")),
            ("a step of its own, two ranks", {"type": "TwoSteps"}, 2, 10, 4, {}, last % (10, " to a rank", sync)),
        ]
        for name, model, ranks, samples, batch, hooks, text in table:
            with self.subTest(name):
                sgd = {"type": "SGD", "lr": 0.1}
                own = {"optimizer": {"first": sgd, "second": sgd}} if model["type"] == "TwoSteps" else {}
                result, run = self.start(name.replace(" ", "_"), ranks, samples, batch, status=2, model=model,
                                         hooks=hooks, **own)
                message = [line for line in result.err.splitlines() if text in line]
                self.assertEqual(len(message), 1, str(result))
                self.assertRegex(message[0], r"config\.yaml:\d+:\d+: ", "the place of train_dataloader")
                self.assertEqual(run.lines("train") if (run.path / "metrics.jsonl").exists() else [], [])

    def test_accepted(self):
        one_d = {"type": "Normed"}
        table = [
            ("dropped", one_d, 9, {"loader": {"drop_last": True}}),
            ("more than a pixel", {**one_d, "norm": "batch2d"}, 9, {}),
            ("instance norm", {**one_d, "norm": "instance2d"}, 9, {}),
            ("its statistics stay", one_d, 9, {"norm_eval": ["norm"]}),
            ("never reached", one_d, 9, {"total_epochs": None, "total_iters": 2}),
        ]
        for name, model, samples, sections in table:
            with self.subTest(name):
                self.start(name.replace(" ", "_"), 1, samples, 4, model=model, hooks={}, **sections)


if __name__ == "__main__":
    unittest.main()
