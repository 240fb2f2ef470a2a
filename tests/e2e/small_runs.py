"""Runs of a moment: 24 made samples in batches of 8, and a small model."""
import json

from harness import TestCase


class SmallRuns(TestCase):
    def config(self, hooks):
        data = {"type": "Synthetic", "size": 24, "shape": [1, 4, 4], "num_classes": 3}
        config = {
            "seed": 1, "work_dir": str(self.folder / "work"),
            "model": {"type": "mlp", "in_features": 16, "hidden": [8], "num_classes": 3},
            "data": {"train": data, "val": data, "train_dataloader": {"batch_size": 8}},
            "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD", "lr": 0.1},
            "workflow": [["train", 1], ["val", 1]], "total_epochs": 1, "runtime": {"threads": 1},
            "hooks": {"logger": {"type": "LoggerHook", "interval": 1}, **hooks}}
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path
