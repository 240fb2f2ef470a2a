"""Event files of TensorboardHook, read by the tensorboard package and by its server.

    python test_tensorboard.py <tensorboard_tool>
"""
import io
import json
import pathlib
import subprocess
import sys
import time
import unittest
import urllib.parse
import urllib.request

import numpy as np
import safetensors.numpy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import harness
from harness import RunFolder, call, command, free_port, mlp_config, mpirun

TOOL = sys.argv.pop(1)
LOGGER = {"type": "LoggerHook", "interval": 5}
METRICS = {"type": "MetricHook", "top1": {"type": "Accuracy", "topk": 1, "phases": ["train", "val"]}}


def read(folder):
    events = EventAccumulator(str(folder), {kind: 0 for kind in ("scalars", "histograms", "images", "tensors")})
    return events.Reload()


def points(events, tag):
    return [(p.step, p.value) for p in events.Scalars(tag)]


def float32(pairs):
    return [(step, float(np.float32(value))) for step, value in pairs]


def text_of(event):
    return event.tensor_proto.string_val[0].decode()


def hparams_of(events, name):
    content = events.PluginTagToContent("hparams")[f"_hparams_/{name}"]
    return getattr(hparams, f"parse_{name}_plugin_data")(content)


class TestCase(harness.TestCase):
    def logs(self):
        """The event files' folder of the newest run."""
        return self.work / "tf_logs" / self.run_folder().path.name

    def train(self, hook, ranks=1, **sections):
        hooks = {"metrics": METRICS, "logger": LOGGER, "tensorboard": {"type": "TensorboardHook", **hook}}
        sections = {"hooks": hooks, **sections}
        result = mpirun(ranks, command(mlp_config(self.folder, **sections), plugins=["mlp"]))
        self.assertDone(result)
        return result


class WholeRun(TestCase):
    """One run with everything switched on; each test looks at a part of it."""

    @classmethod
    def setUpClass(cls):
        case = cls("test_scalars_are_those_of_the_log")
        harness.TestCase.setUp(case)
        cls.addClassCleanup(case.doCleanups)
        case.train({"interval": 5, "histogram_interval": 50, "image_interval": 2, "max_images": 3, "graph": True},
                   total_epochs=3)
        cls.run, cls.folder, cls.events = case.run_folder(), case.logs(), read(case.logs())

    def setUp(self):
        pass

    # unittest's run() and the shared attributes
    run = unittest.TestCase.run

    def test_scalars_are_those_of_the_log(self):
        pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
