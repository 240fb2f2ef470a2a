"""The file of a run read with SwanLab's own reader and messages."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import yaml
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.proto.swanlab.run.v1 import run_pb2
from swanlab.sdk.internal.core_python.store import DataStoreReader

BUILD = pathlib.Path(os.environ["AILAB_BUILD"])


class SwanLab(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-swanlab-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def train(self, *overrides, status=0, **hooks):
        data = {"type": "Synthetic", "shape": [1, 28, 28], "num_classes": 10, "size": 640}
        config = self.folder / "config.yaml"
        config.write_text(json.dumps({
            "work_dir": str(self.folder / "work"), "model": {"type": "lenet5", "num_classes": 10},
            "data": {"train": data, "val": {**data, "seed": 1}, "train_dataloader": {"batch_size": 16}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.01}, "total_epochs": 2,
            "hooks": {"metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook"},
                      "checkpoint": {"type": "CheckpointHook"},
                      "swanlab": {"type": "SwanLabHook", "project": "shop", "name": "鞋", "tags": ["a", "b"],
                                  "interval": 10}, **hooks}}))
        result = subprocess.run([BUILD / "bin" / "ailab-run", str(config), *overrides], capture_output=True, text=True)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stderr

    def records(self):
        """Of the newest one, and all files."""
        runs = (self.folder / "work" / "latest").glob("swanlog/run-*/run-*.swanlab")
        runs = sorted(runs, key=lambda path: path.stat().st_mtime_ns)
        reader = DataStoreReader()
        reader.open(runs[-1])
        records = []
        for data in reader:
            records.append(Record())
            records[-1].ParseFromString(data)
        reader.close()
        return records, runs

    def logged(self):
        return [json.loads(line) for line in
                (self.folder / "work/latest/metrics.jsonl").read_text().splitlines()]

    def test_a_run(self):
        log = self.train()
        records, runs = self.records()
        self.assertIn(f"swanlab sync", log)
        start = records[0].start
        self.assertEqual((start.project, start.name, list(start.tags)), ("shop", "鞋", ["a", "b"]))
        self.assertEqual(f"run-{start.id}.swanlab", runs[0].name)
        config = yaml.safe_load(pathlib.Path(records[1].save.source_path).read_text())
        self.assertEqual(config["optimizer"]["value"]["lr"], 0.01)
        self.assertEqual(records[-1].finish.state, run_pb2.RUN_STATE_FINISHED)
        scalars = [r.scalar for r in records if r.HasField("scalar")]
        for phase, name in (("train", "loss"), ("val", "top1")):
            points = [(s.step, s.value.number) for s in scalars if s.key == f"{phase}/{name}"]
            lines = [(line["step"], line[name]) for line in self.logged() if line["mode"] == phase]
            self.assertEqual([step for step, _ in points], [step for step, _ in lines])
            for (_, value), (_, wanted) in zip(points, lines):
                self.assertAlmostEqual(value, wanted, places=5)
        columns = [r.column.column_key for r in records if r.HasField("column")]
        self.assertEqual(len(columns), len(set(columns)))
        self.assertLess(next(i for i, r in enumerate(records) if r.column.column_key == "val/top1"),
                        next(i for i, r in enumerate(records) if r.scalar.key == "val/top1"))
        numbers = [r.num for r in records if r.num > 0]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_a_run_that_goes_on_is_the_same_experiment(self):
        self.train()
        first, _ = self.records()
        self.train("resume_from=auto", "total_epochs=3")
        second, runs = self.records()
        self.assertEqual(len(runs), 1)
        self.assertEqual(second[0].start.id, first[0].start.id)
        self.assertEqual([r.HasField("finish") for r in second].index(True), len(second) - 1)
        steps = [r.scalar.step for r in second if r.scalar.key == "train/loss"]
        self.assertEqual(steps, [line["step"] for line in self.logged() if line["mode"] == "train"])
        numbers = [r.num for r in second if r.num > 0]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_without_the_file_of_its_first_part_it_is_another_one_of_its_group(self):
        self.train()
        first, runs = self.records()
        shutil.rmtree(runs[0].parent)
        self.train("resume_from=auto", "total_epochs=3")
        second, _ = self.records()
        self.assertNotEqual(second[0].start.id, first[0].start.id)
        self.assertEqual(second[0].start.group, first[0].start.id)


if __name__ == "__main__":
    unittest.main(verbosity=2)
