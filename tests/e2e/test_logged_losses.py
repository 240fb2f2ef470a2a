"""What the lines of a run say of its losses is what torch computes, for any number of ranks."""
import json

import torch

from harness import RunFolder, TestCase, command, mpirun


def setUpModule():
    torch.set_default_dtype(torch.float64)


def tearDownModule():
    torch.set_default_dtype(torch.float32)


def numbers(samples, first_target=None):
    """Three inputs and two targets a sample."""
    place = torch.arange(samples)[:, None] + 1, torch.arange(5)[None, :] + 1
    rows = (2 * torch.sin(12.9898 * place[0] + 78.233 * place[1] ** 2)).round(decimals=6)
    if first_target is not None:
        rows[:, 3] = torch.tensor(first_target)
    return rows


def model(x):
    """The plugin's Normed with a batch norm, before it is trained and while it evaluates."""
    def by_formula(*shape):  # made in float32, as the plugin's model is
        n = torch.Size(shape).numel()
        return torch.sin(torch.arange(n) * 1.3 + 0.4).float().double().view(shape)
    y = torch.nn.functional.linear(x, by_formula(12, 3), by_formula(12))
    y = torch.nn.functional.batch_norm(y, torch.zeros(12), torch.ones(12), by_formula(12), by_formula(12))
    return torch.nn.functional.linear(torch.tanh(y), by_formula(2, 12), by_formula(2))


class Losses(TestCase):
    def start(self, name, rows, ranks=1, loss=None, classes=False, loader=None, train_batch=6, interval=1,
              dtype="float64", hooks=None, **sections):
        folder = self.folder / name
        folder.mkdir()
        file = folder / "rows.txt"
        file.write_text("\n".join(" ".join(map(repr, row)) for row in rows.tolist()))
        data = {"type": "Rows", "file": str(file), "classes": classes}
        evaluated = {"num_workers": 0, **(loader or {})}
        config = {"seed": 1, "work_dir": str(folder / "work"), "model": {"type": "Normed"}, "loss": loss,
                  "optimizer": {"type": "SGD", "lr": 0.0}, "total_epochs": 1, "runtime": {"threads": 1, "dtype": dtype},
                  "data": {"train": data, "val": data, "test": data,
                           "train_dataloader": {"global_batch_size": train_batch, "shuffle": False},
                           "val_dataloader": evaluated, "test_dataloader": evaluated},
                  "workflow": [["val", 1], ["test", 1]],
                  "hooks": {"logger": {"type": "LoggerHook", "interval": interval}, **(hooks or {})}, **sections}
        path = folder / "config.yaml"
        path.write_text(json.dumps(config))
        self.result = mpirun(ranks, command(path, plugins=["rows"]))
        self.assertDone(self.result)
        return RunFolder(folder / "work")

    def test_a_sum_over_the_batch_does_not_depend_on_the_ranks_that_share_it(self):
        rows = numbers(14)
        squared = (model(rows[:, :3]) - rows[:, 3:]).square()
        # Batches count by their samples, as for any loss.
        wanted = sum(len(part) * part.sum() for part in squared.split(6)).item() / len(rows)
        for ranks in (1, 2, 3):
            run = self.start(f"sum{ranks}", rows, ranks, {"type": "MSELoss", "reduction": "sum"},
                             loader={"global_batch_size": 6})
            for mode in ("val", "test"):
                with self.subTest(ranks=ranks, mode=mode):
                    self.assertAlmostEqual(run.lines(mode)[-1]["loss"], wanted, places=9)

    def test_a_batch_of_an_evaluation_is_a_whole_one_where_its_size_is_given(self):
        rows = numbers(14)
        squared = (model(rows[:, :3]) - rows[:, 3:]).square()
        wanted = sum(len(part) * part.sum() for part in squared.split(4)).item() / len(rows)
        for ranks in (1, 3):
            run = self.start(f"whole{ranks}", rows, ranks, {"type": "MSELoss", "reduction": "sum"}, loader={"batch_size": 4})
            with self.subTest(ranks=ranks):
                self.assertAlmostEqual(run.lines("val")[-1]["loss"], wanted, places=9)

    def test_a_batch_of_ignored_targets_alone_has_no_loss_that_a_mean_could_count(self):
        # Class 1 where the first target is above 0: it is ignored, and the second batch has nothing else.
        rows = numbers(8, first_target=[-1.0] * 3 + [1.0] * 5)
        loss = {"type": "CrossEntropyLoss", "ignore_index": 1}
        eval_norms = {"norm_eval": ["norm"]}
        wanted = torch.nn.functional.cross_entropy(model(rows[:3, :3]), torch.zeros(3, dtype=torch.long)).item()
        for ranks in (1, 2):
            for accumulation in (1, 2):
                with self.subTest(ranks=ranks, accumulation=accumulation):
                    run = self.start(f"ignored{ranks}{accumulation}", rows, ranks, loss, classes=True, train_batch=4,
                                     interval=2, workflow=[["train", 1]], accumulative_counts=accumulation, **eval_norms)
                    self.assertAlmostEqual(run.lines("train")[-1]["loss"], wanted, places=9)

    def test_metrics_get_targets_of_float64_unrounded_and_what_float32_loses_is_told(self):
        metric = {"metrics": {"type": "MetricHook", "mae": {"type": "MeanAbsoluteError"}}}
        far = torch.tensor([0, 0, 0, 1.75e9, -1.75e9])  # as Unix times are
        for name, rows, told in (("near", numbers(14), []), ("far", numbers(14) + far, ["target"]),
                                 ("input", numbers(14) + torch.tensor([1.75e9, 0, 0, 0, 0]), ["input"])):
            for ranks in (1, 2):
                with self.subTest(name=name, ranks=ranks):
                    run = self.start(f"{name}{ranks}", rows, ranks, {"type": "L1Loss"}, dtype="float32", hooks=metric,
                                     loader={"batch_size": 4})
                    line = run.lines("val")[-1]
                    warned = [text for text in self.result.err.splitlines() + self.result.out.splitlines()
                              if "is float64 and becomes float32" in text]
                    self.assertEqual([text.split('"')[1] for text in warned if "data.val" in text], told, str(self.result))
                    if name == "input":
                        continue
                    output, target = model(rows[:, :3]), rows[:, 3:]
                    # The model's own rounding is that of numbers around 1.
                    self.assertAlmostEqual(line["mae"], (output - target).abs().mean().item(), delta=1e-5)
                    rounded = (output.float() - target.float()).abs().double().mean().item()
                    self.assertAlmostEqual(line["loss"] / rounded, 1, delta=1e-6)
                    if name == "far":
                        self.assertGreater(abs(rounded - line["mae"]), 1)
